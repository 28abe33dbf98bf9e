/**
 * A coordinator from its arguments to its exit code: finds or makes the run's folder, checks what can be checked before
 * anything starts, and runs a term. The process, its signals and its parent are main.ts's.
 */

import { readFile } from 'node:fs/promises';
import { loadRecipe } from '../../src/config/load.js';
import type { Recipe } from '../../src/config/schema.js';
import { inspectData } from '../../src/data/dataset.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { EXIT } from '../../src/errors/table.js';
import type { CoordinatorArguments, RunSummary } from '../../src/protocol/parent.js';
import { requireLoopback } from '../../src/transport/endpoint.js';
import { readJournal } from './journal.js';
import { createRunFolder, openRunFolder, type RunFolder } from './run-folder.js';
import { type CoordinateOptions, runTerm } from './run-term.js';

/** Runs until the end and answers the exit code. Throws what kept the run from starting, or broke it. */
export async function coordinate(options: CoordinateOptions): Promise<number> {
  const { args, clock, tell } = options;
  requireLoopback(args.listen, args);
  if (args.dataListen !== undefined) requireLoopback(args.dataListen, args);
  if (args.resume === undefined) {
    const recipe = await recipeOf(args);
    // Before there is a folder: a recipe whose data is not there makes no run.
    const { splitSizes } = await inspectData(recipe.data);
    const folder = await createRunFolder({ runsFolder: args.runsFolder ?? 'runs', recipe, wallMs: clock.wallMs() });
    return runTerm(options, { folder, recipe, splitSizes, earlierSeconds: 0 });
  }
  const { folder, recipe } = await openRunFolder(args.resume);
  const earlier = await readSummary(folder);
  const { records } = await readJournal(folder.journal);
  if (records.some(({ type }) => type === 'run-done')) {
    tell({ type: 'report', report: { type: 'run-ended', outcome: 'done', message: 'the run was finished before' } });
    if (earlier !== null) tell({ type: 'summary', file: folder.summary, summary: earlier });
    return EXIT.done;
  }
  const { splitSizes } = await inspectData(recipe.data);
  return runTerm(options, { folder, recipe, splitSizes, earlierSeconds: earlier?.durationSeconds ?? 0 });
}

async function recipeOf({ recipe, set }: CoordinatorArguments): Promise<Recipe> {
  if (recipe === undefined) throw new StillhouseError('usage.invalid', 'the coordinator needs a recipe, or a run to resume');
  return loadRecipe(recipe, { set: set ?? [] });
}

/** What an earlier term wrote at its end; null when it was killed before. */
async function readSummary(folder: RunFolder): Promise<RunSummary | null> {
  try {
    return JSON.parse(await readFile(folder.summary, 'utf8')) as RunSummary;
  } catch {
    return null;
  }
}
