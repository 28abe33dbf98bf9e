/** The runs in the folder of a table: the seed of each, whether it is done, and its results. A run of another recipe is refused. */

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readAccuracies } from '../../checkpoint/done-stage.js';
import { CONFIG_FILE } from '../../config/load.js';
import { spellPeer } from '../../config/peer.js';
import type { Recipe } from '../../config/schema.js';
import { hasCode, StillhouseError } from '../../errors/stillhouse-error.js';
import { BASIS_FILE, basisOf, compareBases, readBasis } from '../../recipe/basis.js';
import { loadRun } from '../../recipe/load-run.js';
import { requireRunFolder } from '../require-run-folder.js';
import { ratesOf } from './rate.js';
import type { SeedResult } from './table-row.js';

/** The run of a seed. */
export interface SeedRun {
  readonly seed: number;
  readonly folder: string;
  /** Whether all its stages are done. */
  readonly isDone: boolean;
}

/** The runs in this folder, by their seeds; of several runs of a seed, the first that is done, or the newest. Throws the errors of loadRun and of the journal. */
export async function findSeedRuns(folder: string): Promise<ReadonlyMap<number, SeedRun>> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    if (hasCode(error, 'ENOTDIR'))
      throw new StillhouseError('run.unwritable', 'there is a file in its place', { file: folder, hint: 'Give --out a folder' });
    throw error;
  });
  const runs = new Map<number, SeedRun>();
  for (const name of names.sort()) {
    const path = resolve(folder, name);
    // A run that was killed while its folder was made.
    if (!existsSync(join(path, CONFIG_FILE))) continue;
    const { journal } = requireRunFolder(path);
    const { seed, stages } = await loadRun(path, []);
    const done = await readAccuracies(journal);
    const isDone = Object.keys(stages).every((stage) => done.has(stage));
    if (runs.get(seed)?.isDone !== true) runs.set(seed, { seed, folder: path, isDone });
  }
  return runs;
}

/** Throws `run.invalid`, with the first values that differ, when the run is not one of this recipe, whose seed is the run's. */
export async function requireSameRecipe({ folder }: SeedRun, recipe: Recipe): Promise<void> {
  const now = { ...(await basisOf(recipe)), home: null };
  const kept = readBasis(join(folder, BASIS_FILE)) ?? now;
  const before = { ...kept, recipe: await loadRun(folder, []), home: null };
  const { refused, allowed } = compareBases(before, now, new Set());
  // The content of the files is compared by itself.
  const changes = [...refused, ...allowed].filter(({ place }) => place !== 'data.path');
  if (changes.length === 0) return;
  const shown = changes.slice(0, SHOWN).map(({ place, before: old, now: own }) => `${place} was ${old}, and is ${own}`);
  const more = changes.length > SHOWN ? `, and ${changes.length - SHOWN} more` : '';
  throw new StillhouseError('run.invalid', `this run is of another recipe: ${shown.join('; ')}${more}`, {
    file: folder,
    hint: 'A table has one recipe: give --out another folder, or the recipe as it was',
  });
}

/** The differences that the message names. */
const SHOWN = 3;

/** The results of a run that is done. */
export async function readSeedResult({ seed, folder }: SeedRun): Promise<SeedResult> {
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
