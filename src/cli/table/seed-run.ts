/** The runs in the folder of a table: the seed of each, its stages that are done, and its results. A run of another recipe is refused. */

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readAccuracies } from '../../checkpoint/done-stage.js';
import { BASIS_FILE, requireRunFolder } from '../../checkpoint/require-run-folder.js';
import { CONFIG_FILE } from '../../config/load.js';
import { spellPeer } from '../../config/peer.js';
import type { Recipe } from '../../config/schema.js';
import { hasCode, StillhouseError } from '../../errors/stillhouse-error.js';
import { basisOf, compareBases, readBasis } from '../../recipe/basis.js';
import { loadRun } from '../../recipe/load-run.js';
import { ratesOf } from './rate.js';
import type { SeedResult } from './table-row.js';

/** The run of a seed. */
export interface SeedRun {
  readonly seed: number;
  readonly folder: string;
  /** The names of its stages that are done. */
  readonly done: ReadonlySet<string>;
}

/** The runs in this folder, by their seeds; of several runs of a seed, the first with the most stages done. Throws the errors of loadRun and of the journal. */
export async function findSeedRuns(folder: string): Promise<ReadonlyMap<number, SeedRun>> {
  const runs = new Map<number, SeedRun>();
  for (const name of (await namesIn(folder)).sort()) {
    const path = resolve(folder, name);
    // A run that was killed while its folder was made.
    if (!existsSync(join(path, CONFIG_FILE))) continue;
    const { journal } = requireRunFolder(path);
    const { seed } = await loadRun(path, []);
    const run = { seed, folder: path, done: new Set((await readAccuracies(journal)).keys()) };
    const other = runs.get(seed);
    if (other === undefined || other.done.size < run.done.size) runs.set(seed, run);
  }
  return runs;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    if (!hasCode(error, 'ENOTDIR')) throw error;
    throw new StillhouseError('run.unwritable', 'there is a file in its place', { file: folder, hint: 'Give --out a folder' });
  }
}

/** Whether all stages of the recipe are done in the run. */
export function isComplete({ done }: SeedRun, { stages }: Pick<Recipe, 'stages'>): boolean {
  return Object.keys(stages).every((stage) => done.has(stage));
}

/**
 * The models and stages of the recipe that the run does not have yet, as overrides of its recipe. Throws `run.invalid`, with the first values
 * that differ, when the run is not one of this recipe (with the seed of the run) in anything else.
 */
export async function additionsTo({ folder }: SeedRun, recipe: Recipe): Promise<readonly string[]> {
  const own = await loadRun(folder, []);
  const now = { ...(await basisOf(recipe)), home: null };
  const kept = readBasis(join(folder, BASIS_FILE)) ?? now;
  const { refused, allowed } = compareBases({ ...kept, recipe: own, home: null }, now, new Set());
  const additions = (['models', 'stages'] as const).flatMap((map) =>
    Object.entries(recipe[map]).flatMap(([name, value]) => (Object.hasOwn(own[map], name) ? [] : [{ place: `${map}.${name}`, value }])),
  );
  // The content of the files is compared by itself.
  const free = ['data.path', ...additions.map(({ place }) => place)];
  const changes = [...refused, ...allowed].filter(({ place }) => !free.includes(place));
  if (changes.length === 0) return additions.map(({ place, value }) => `${place}=${JSON.stringify(value)}`);
  const shown = changes.slice(0, SHOWN).map(({ place, before, now: is }) => `${place} was ${before}, and is ${is}`);
  const more = changes.length > SHOWN ? `, and ${changes.length - SHOWN} more` : '';
  throw new StillhouseError('run.invalid', `this run is of another recipe: ${shown.join('; ')}${more}`, {
    file: folder,
    hint: 'A table has one recipe, which may get more stages: give --out another folder, or the recipe as it was',
  });
}

/** The differences that the message names. */
const SHOWN = 3;

/** The results of a run whose stages are done. */
export async function readSeedResult({ seed, folder }: Pick<SeedRun, 'seed' | 'folder'>): Promise<SeedResult> {
  const { journal } = requireRunFolder(folder);
  const accuracy: Record<string, number> = {};
  for (const [stage, peers] of await readAccuracies(journal)) {
    const entries = Object.entries(peers);
    for (const [peer, share] of entries) accuracy[entries.length === 1 ? stage : spellPeer({ stage, peer })] = share;
  }
  const metrics = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  });
  return { seed, accuracy, rates: ratesOf(metrics) };
}
