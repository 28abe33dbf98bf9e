/**
 * The audit of a run: which samples its final parameters contain, from the ranges that its checkpoints carry and the
 * order of samples alone. What the coordinator wrote down about itself plays no part, except for the samples that it skipped:
 * no parameters may contain those.
 */

import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { present } from '../../src/base/assert.js';
import type { StoredCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../../src/checkpoint/store.js';
import { spellPeer, trainedPeers } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { inspectData } from '../../src/data/dataset.js';
import { sampleAt } from '../../src/data/order.js';
import type { Range } from '../../src/protocol/field.js';
import { loadRecipe } from '../../src/recipe/load-recipe.js';
import { journalOf } from './run-record.js';

/** The samples of an epoch that a trained model does not contain exactly once, or of the skipped ones at all, by the name of the model. */
export async function auditRun(run: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const recipe = await loadRecipe(runFolderAt(run).config);
  const { splitSizes } = await inspectData(recipe.data);
  const checkpoints = await finalCheckpoints(run);
  const skipped = await skippedRanges(run);
  return Object.fromEntries(
    trainedPeers(recipe).map(({ name: model, recipe: { on, epochs } }) => {
      const name = spellPeer(model);
      const size = present(splitSizes[on], `split ${on}`);
      return [name, findWrong([...(checkpoints.get(name)?.ranges ?? []), ...(skipped[model.stage] ?? [])], { recipe, size, epochs })];
    }),
  );
}

/** The samples that each stage skipped. */
export async function skippedRanges(run: string): Promise<Readonly<Record<string, readonly Range[]>>> {
  const skipped: Record<string, Range[]> = {};
  for (const { stage, ranges } of await journalOf(run, 'skip')) skipped[stage] = [...(skipped[stage] ?? []), ...ranges];
  return skipped;
}

/** The hash of the final parameters of every trained model, by its name. */
export async function finalHashes(run: string): Promise<Readonly<Record<string, string>>> {
  const checkpoints = await finalCheckpoints(run);
  return Object.fromEntries([...checkpoints].sort().map(([model, { hash }]) => [model, hash]));
}

/** The newest whole checkpoint of each model, by its name. Each of its files was compared with its hash. */
export async function finalCheckpoints(run: string): Promise<ReadonlyMap<string, StoredCheckpoint>> {
  const store = await openCheckpointStore(runFolderAt(run).checkpoints);
  const newest = new Map<string, StoredCheckpoint>();
  for (const checkpoint of store.list().whole) {
    const name = spellPeer(checkpoint.state);
    if (!newest.has(name)) newest.set(name, checkpoint);
  }
  return newest;
}

function findWrong(ranges: readonly Range[], { recipe, size, epochs }: { recipe: Recipe; size: number; epochs: number }): string[] {
  const counts = new Uint32Array(epochs * size);
  const wrong: string[] = [];
  for (const { start, end } of ranges) {
    for (let position = start; position < end; position++) {
      const epoch = Math.floor(position / size);
      if (epoch >= epochs) wrong.push(`position ${position} is beyond the stage`);
      else counts[epoch * size + sampleAt({ seed: recipe.seed, epoch, size }, position % size)]! += 1;
    }
  }
  for (const [place, count] of counts.entries()) {
    if (count !== 1) wrong.push(`epoch ${Math.floor(place / size)}, sample ${place % size}: ${count} times`);
  }
  return wrong;
}
