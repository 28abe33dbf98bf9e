/**
 * Models from outside the run. Where a stage names one as its `teacher` or `init`, loading the recipe makes a stage of kind `load` for it and
 * puts that stage's name there, so that everywhere else a model is the model of a stage. Pure.
 */

import { pathsOfKey } from './peer.js';
import { type Path, replaceAt, valueAt } from './problem.js';
import type { OutsideModel, Recipe, StageRecipe } from './schema.js';
import { needsOf } from './stage-graph.js';

/** The longest name of a stage. */
const NAME_MAX = 64;

type LoadStage = Extract<StageRecipe, { kind: 'load' }>;

/** A recipe in which every model is that of a stage. */
export interface PlacedRecipe {
  readonly recipe: Recipe;
  /** For each stage `load`, the place where its user has named the model: that stage itself, or the first one that uses it. */
  readonly places: Readonly<Record<string, Path>>;
}

/**
 * The recipe with a stage `load` for each model from outside that another stage names: the same one for the same model and test, and one
 * that the user has written where it needs no other stage. New ones come first.
 */
export function withLoadStages(recipe: Recipe): PlacedRecipe {
  const written = loadStages(recipe);
  const loads = new Map<string, LoadStage>();
  const places = new Map<string, Path>(written.map(([name]) => [name, ['stages', name, 'from']]));
  const taken = (name: string) => loads.has(name) || Object.hasOwn(recipe.stages, name);
  const nameFor = (
    from: OutsideModel,
    { test, stage, path }: { readonly test: string; readonly stage: string; readonly path: Path },
  ): string => {
    const wanted = JSON.stringify([from, test, []]);
    const same = [...written, ...loads].find(([, load]) => JSON.stringify([load.from, load.test, load.needs]) === wanted);
    if (same !== undefined) return same[0];
    const wish = wishFor(stage, path);
    const stem = wish.slice(-NAME_MAX).replace(/^[_-]+/, '');
    let name = stem;
    for (let n = 2; taken(name); n++) name = `${stem.slice(0, NAME_MAX - 4)}-${n}`;
    loads.set(name, { kind: 'load', needs: [], from, test });
    places.set(name, ['stages', stage, ...path]);
    return name;
  };
  const stages = Object.entries(recipe.stages).map(([stage, own]): [string, StageRecipe] => {
    if (!('test' in own)) return [stage, own];
    const named = (from: OutsideModel, path: Path) => nameFor(from, { test: own.test, stage, path });
    return [stage, replaceOutside(own, named)];
  });
  return { recipe: { ...recipe, stages: Object.fromEntries([...loads, ...stages]) }, places: Object.fromEntries(places) };
}

/** The stages `load` of a recipe. */
export function loadStages({ stages }: Pick<Recipe, 'stages'>): readonly (readonly [string, LoadStage])[] {
  return Object.entries(stages).flatMap(([name, own]) => (own.kind === 'load' ? [[name, own] as const] : []));
}

/** The stages `load` whose models a run still needs: those that are not done, and those that a stage which is not done names. */
export function loadsInUse(recipe: Pick<Recipe, 'stages'>, done: ReadonlySet<string>): readonly string[] {
  const open = Object.entries(recipe.stages).filter(([name]) => !done.has(name));
  const used = new Set(open.flatMap(([name, own]) => [name, ...needsOf(own)]));
  return loadStages(recipe).flatMap(([name]) => (used.has(name) ? [name] : []));
}

function replaceOutside(stage: StageRecipe, change: (from: OutsideModel, path: Path) => unknown): StageRecipe {
  const places: Path[] = [['teacher'], ...pathsOfKey(stage, 'init')];
  return places.reduce<StageRecipe>((changed, path) => {
    const found: unknown = valueAt(changed, path);
    if (typeof found !== 'object' || found === null) return changed;
    return replaceAt(changed, path, change(found as OutsideModel, path)) as StageRecipe;
  }, stage);
}

/** `student-teacher`, or `together-big-init` for a peer. */
function wishFor(stage: string, path: Path): string {
  return [stage, ...path.filter((step) => step !== 'peers')].join('-').replaceAll('.', '-');
}
