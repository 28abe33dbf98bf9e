/**
 * A coordinator from its arguments to its exit code: checks everything that can be checked before anything starts, binds its
 * sockets, finds or makes the run's folder, and runs a term. main.ts owns the process, its signals and its parent.
 */

import type { Recipe } from '../../src/config/schema.js';
import { inspectData } from '../../src/data/dataset.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { EXIT } from '../../src/errors/table.js';
import type { CoordinatorArguments } from '../../src/protocol/parent.js';
import { basisOf, digestsOf } from '../../src/recipe/basis.js';
import { loadRecipe } from '../../src/recipe/load-recipe.js';
import { requireEndpoint, requireLoopback } from '../../src/transport/endpoint.js';
import { secondsOfEarlierTerms } from './earlier-terms.js';
import { lostModelOf } from './finished-models.js';
import { readJournal } from './journal.js';
import { compareBasis, keepBasis, renewBasis } from './run-basis.js';
import { createRunFolder, openRunFolder } from './run-folder.js';
import { progressOf } from './run-progress.js';
import { readSummary } from './run-summary.js';
import { type CoordinateOptions, runTerm, type TermRun } from './run-term.js';
import { bindSockets } from './sockets.js';
import { requireNoHolder } from './term.js';
import { requireWholeJournal } from './whole-journal.js';

/** Runs until the end and returns the exit code. Throws the error that kept the run from starting, or broke it. */
export async function coordinate(options: CoordinateOptions): Promise<number> {
  const { args, clock, tell } = options;
  for (const endpoint of [args.listen, ...(args.dataListen === undefined ? [] : [args.dataListen])]) {
    requireEndpoint(endpoint);
    requireLoopback(endpoint, args);
  }
  if (args.resume === undefined) {
    const recipe = await recipeOf(args);
    // Checked before the folder is made: a recipe whose data is missing makes no run.
    const { splitSizes } = await inspectData(recipe.data);
    const basis = await basisOf(recipe, { models: args.structures, training: args.training });
    return serve(options, async () => {
      const folder = await createRunFolder({ runsFolder: args.runsFolder ?? 'runs', recipe, wallMs: clock.wallMs() });
      await keepBasis(folder, basis);
      const digests = digestsOf(basis);
      const { training } = basis;
      return { folder, recipe, splitSizes, digests, training, earlierSeconds: 0, reopened: [], keepChanges: async () => {} };
    });
  }
  const { folder, recipe } = await openRunFolder(args.resume, args.set);
  const cutOff = await requireWholeJournal(folder, recipe);
  const { records } = await readJournal(folder.journal);
  const now = await basisOf(recipe, { models: args.structures, training: args.training });
  const { done, begun } = await progressOf(folder, records);
  const { changes, reopened, basis, isKept } = compareBasis(folder, { basis: now, done, begun });
  const news = [...cutOff, ...changes];
  if (news.length > 0) tell({ type: 'report', report: { type: 'basis-changed', changes: news } });
  if (reopened.length === 0 && Object.keys(recipe.stages).every((name) => done.has(name))) {
    tell({ type: 'report', report: { type: 'run-ended', outcome: 'done', message: 'the run was finished before' } });
    const summary = await readSummary(folder.summary);
    if (summary !== null) tell({ type: 'summary', file: folder.summary, summary });
    return EXIT.done;
  }
  await requireNoHolder(folder.terms, options);
  const lost = await lostModelOf(folder, { recipe, records, reopened, begun });
  if (lost !== null) throw lost;
  const { splitSizes } = await inspectData(recipe.data);
  return serve(options, async () => {
    const keepChanges = async () => (isKept ? undefined : renewBasis(folder, basis));
    const earlierSeconds = await secondsOfEarlierTerms(folder.metrics);
    const { training } = basis;
    return { folder, recipe, splitSizes, digests: digestsOf(basis), training, earlierSeconds, reopened, keepChanges };
  });
}

/** Runs a term on bound sockets. `prepare` writes only once the addresses belong to this coordinator. */
async function serve(options: CoordinateOptions, prepare: () => Promise<Omit<TermRun, 'sockets'>>): Promise<number> {
  const sockets = await bindSockets(options);
  try {
    return await runTerm(options, { ...(await prepare()), sockets });
  } finally {
    await sockets.close();
  }
}

async function recipeOf({ recipe, set }: CoordinatorArguments): Promise<Recipe> {
  if (recipe === undefined) throw new StillhouseError('usage.invalid', 'the coordinator needs a recipe, or a run to resume');
  return loadRecipe(recipe, { set: set ?? [] });
}
