/**
 * Checks the losses of a recipe against their declarations: those of the package, and users' modules, each of which is read
 * once. Owns the checks that need a declaration, and the completion of terms with their defaults.
 */

import { mapTerms, pathsOfTerms, trainedPeers } from '../config/peer.js';
import { entryOf, formatPath, keysOf, type Path, type Problem, valueAt } from '../config/problem.js';
import type { PeerRecipe, Recipe, StageRecipe } from '../config/schema.js';
import { endsOf } from '../config/variable.js';
import { catalogueEntry, LOSSES } from '../losses/catalogue.js';
import type { LossTraits } from '../losses/loss-declaration.js';
import { longForm, sideOf } from '../losses/loss-plan.js';
import { checkTerm, completeTerm, nameOfTerm } from '../losses/term-check.js';
import { type DeclarationAnswer, readDeclaration } from './declaration/read-declaration.js';

/** The loss that a term names, or the reason why it cannot be used. */
type Named = { readonly traits: LossTraits } | { readonly key: 'loss' | 'module'; readonly text: string };

/** The checks of one recipe. */
export class LossCheck {
  readonly #modules = new Map<string, Promise<DeclarationAnswer>>();

  /** All problems of the terms of a recipe as it was written, each by itself. Its paths are absolute. */
  async checkTerms(root: unknown): Promise<readonly Problem[]> {
    const stages = valueAt(root, ['stages']);
    const found = keysOf(stages).flatMap((name) => {
      const stage = entryOf(stages, name);
      return pathsOfTerms(stage).map((place) => this.#checkTerm(valueAt(stage, place), { path: ['stages', name, ...place], stage }));
    });
    return (await Promise.all(found)).flat();
  }

  /** Fills in the defaults of the recipe's terms. Its shape must be right, and its paths absolute. */
  async complete(recipe: Recipe): Promise<Recipe> {
    const stages = Object.entries(recipe.stages).map(async ([name, stage]) => [name, await this.#completeStage(stage)] as const);
    return { ...recipe, stages: Object.fromEntries(await Promise.all(stages)) };
  }

  /** Finds stages of a complete recipe whose terms are right by themselves but make no loss together. */
  async checkStages(recipe: Recipe): Promise<readonly Problem[]> {
    const problems: Problem[] = [];
    const peers = trainedPeers(recipe);
    for (const { name, recipe: peer, place } of peers) {
      const path = place('loss');
      const add = (what: string): void => {
        const text = `${formatPath(path)}: ${what}`;
        // Peers that share their stage's loss share its problems.
        if (!problems.some((problem) => problem.text === text)) problems.push({ path, at: 'value', text });
      };
      const { labels, terms } = longForm(peer);
      const weights = [labels.weight, ...terms.map(({ weight }) => weight ?? 1)];
      if (weights.every((weight) => endsOf(weight).every((end) => end === 0))) add('every weight is 0, so there is nothing to learn');
      if (peer.teacher === undefined) continue;
      // A peer of a mutual stage may be taught by the others alone.
      const cohort = peers.filter(({ name: other }) => other.stage === name.stage).map(({ recipe: other }) => other);
      const learns = await Promise.all(cohort.map((other) => this.#learnsFromTeacher(other)));
      if (!learns.includes(true)) add(howToLearnFromTeacher(peer));
    }
    return problems;
  }

  /** The terms of a complete recipe whose losses are over the batch of each student, by their names, for each stage that has any. */
  async termsOverBatch(recipe: Recipe): Promise<Readonly<Record<string, readonly string[]>>> {
    const found = new Map<string, Set<string>>();
    for (const { name, recipe: peer } of trainedPeers(recipe)) {
      for (const term of longForm(peer).terms) {
        const named = await this.#named(term);
        if (named === null || !('traits' in named) || named.traits.over !== 'batch' || term.batch === 'gathered') continue;
        found.set(name.stage, (found.get(name.stage) ?? new Set()).add(nameOfTerm(term)));
      }
    }
    return Object.fromEntries([...found].map(([stage, names]) => [stage, [...names]]));
  }

  async #learnsFromTeacher(peer: PeerRecipe): Promise<boolean> {
    const terms = longForm(peer).terms.filter((term) => sideOf(term, peer) === 'teacher');
    const named = await Promise.all(terms.map((term) => this.#named(term)));
    return named.some((one) => one === null || !('traits' in one) || one.traits.takesOther);
  }

  async #checkTerm(term: unknown, { path, stage }: { readonly path: Path; readonly stage: unknown }): Promise<readonly Problem[]> {
    const named = await this.#named(term);
    if (named === null) return [];
    if ('text' in named) {
      const place = [...path, named.key];
      return [{ path: place, at: 'value', text: `${formatPath(place)}: ${named.text}` }];
    }
    const found = [sideProblem(term, named.traits, stage), gatherProblem(term, named.traits, stage)];
    const problems = found.flatMap((problem) =>
      problem === null ? [] : [{ path, at: 'value' as const, text: `${formatPath(path)}: ${problem}` }],
    );
    return [...checkTerm(term, named.traits, path), ...problems];
  }

  async #completeStage(stage: StageRecipe): Promise<StageRecipe> {
    const traits = new Map<string, LossTraits>();
    for (const path of pathsOfTerms(stage)) {
      const named = await this.#named(valueAt(stage, path));
      if (named !== null && 'traits' in named) traits.set(formatPath(path), named.traits);
    }
    return mapTerms(stage, (term, path) => {
      const own = traits.get(formatPath(path));
      return own === undefined ? term : completeTerm(term, own);
    });
  }

  /** The loss of a term; null when the term does not name one, which is a problem for the schema. */
  async #named(term: unknown): Promise<Named | null> {
    const [loss, module] = [entryOf(term, 'loss'), entryOf(term, 'module')];
    if (typeof loss === 'string' && module === undefined) return ofPackage(loss);
    if (typeof module !== 'string' || loss !== undefined) return null;
    const answer = this.#modules.get(module) ?? readDeclaration(module);
    this.#modules.set(module, answer);
    const read = await answer;
    return read.type === 'declared' ? { traits: read.traits } : { key: 'module', text: read.message };
  }
}

/** Says why the stage has no other side that the term could learn from; null when it has. */
function sideProblem(term: unknown, { takesOther, takesTaps, takesFlows = false }: LossTraits, stage: unknown): string | null {
  const [kind, from] = [entryOf(stage, 'kind'), entryOf(term, 'from')];
  const loss = `the loss ${nameOfTerm(term)}`;
  if (!takesOther) return from === undefined ? null : `${loss} learns from the labels alone; leave out from`;
  if (kind === 'train') return `${loss} learns from a teacher, and a train stage has none; make it a distil stage`;
  if (from === 'peers' && kind !== 'mutual') return `${loss} learns from peers, and only a mutual stage has them; leave out from`;
  const isTaught = entryOf(stage, 'teacher') !== undefined;
  if (kind === 'mutual' && from === 'teacher' && !isTaught) return `${loss} learns from a teacher, and the stage names none`;
  if (kind === 'mutual' && from !== 'teacher' && (takesTaps || takesFlows)) {
    return `${loss} takes layers, and peers give each other their logits only; ${isTaught ? 'add from: teacher' : 'leave it out'}`;
  }
  return null;
}

/** Says why the stage cannot gather the batch of its students for the term; null when it can, or need not. */
function gatherProblem(term: unknown, { over }: LossTraits, stage: unknown): string | null {
  if (over !== 'batch' || entryOf(term, 'batch') !== 'gathered') return null;
  const loss = `the loss ${nameOfTerm(term)} is over the gathered batch`;
  if (entryOf(stage, 'kind') === 'mutual')
    return `${loss}, which a mutual stage does not gather: its students exchange predictions with other peers; leave batch out`;
  const every = entryOf(stage, 'every');
  if (every === 1) return null;
  const now = every === undefined ? 'every is 8 where it is left out' : `every is ${String(every)}`;
  return `${loss}, which needs students that are equal before each step, and ${now}; give the stage every: 1`;
}

function howToLearnFromTeacher({ others = [] }: PeerRecipe): string {
  if (others.length === 0)
    return `no term learns from the teacher; add one (${Object.keys(LOSSES).join(', ')}), or make the stage a train stage`;
  return 'no term learns from the teacher; add fromTeacher: { temperature: 4, weight: 1 } to the stage, or a term with from: teacher';
}

function ofPackage(name: string): Named {
  const entry = catalogueEntry(name);
  return typeof entry === 'string' ? { key: 'loss', text: entry } : { traits: entry.declaration };
}
