/** How far a run has come, from its journal and its checkpoints: what that lets its user change. */

import { dirname, join } from 'node:path';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { listPlacesOf } from '../../src/checkpoint/place.js';
import type { DamagedCheckpoint } from '../../src/checkpoint/store.js';
import type { Recipe } from '../../src/config/schema.js';
import { stageOrder } from '../../src/config/stage-graph.js';
import type { ErrorCode } from '../../src/errors/table.js';
import { stageOfLoss, userModules } from '../../src/recipe/user-fault.js';
import { recover } from '../core/recovery.js';
import type { JournalRecord, Recovered } from '../core/types.js';
import type { RunFolder } from './run-folder.js';

export interface RunProgress {
  /** The stages that are done. */
  readonly done: ReadonlySet<string>;
  /** The stages of which trained parameters are kept: those that are done, and perhaps the one under way. */
  readonly begun: ReadonlySet<string>;
}

/** How far the run in this folder has come. */
export async function progressOf({ checkpoints }: RunFolder, records: readonly JournalRecord[]): Promise<RunProgress> {
  const { done: results, stage, isBehind } = recover(records, []);
  const done = new Set(results.map((result) => result.stage));
  // Commits without a checkpoint are undone when the run goes on.
  const isKept = stage !== null && isBehind && (await listPlacesOf(nodeFileSystem, checkpoints, stage)).length > 0;
  return { done, begun: isKept ? new Set([...done, stage]) : done };
}

/** Says in words why a run does not go on from each of its newest checkpoints, where these are not whole any more. `damaged`: those of its store. */
export function lostCheckpoints(
  { stage, lost }: Pick<Recovered, 'stage' | 'lost'>,
  damaged: readonly DamagedCheckpoint[],
): readonly string[] {
  return lost.flatMap((round) => {
    const name = `checkpoint ${stage}/${round}`;
    const faults = damaged.filter(({ place }) => dirname(place) === join(stage ?? '', String(round)));
    if (faults.length > 0) return faults.map(({ message }) => `${name} is damaged: ${message}`);
    // Only the newest one is never deleted.
    return round === lost.at(-1) ? [`${name} is gone`] : [];
  });
}

/** Says in words which mend makes a run that failed with this error go on; null where none does, or none is needed. */
export async function mendOf(code: ErrorCode, recipe: Recipe, findProgress: () => Promise<RunProgress>): Promise<string | null> {
  switch (code) {
    case 'data.damaged':
    case 'data.missing':
      return 'that is mended';
    case 'checkpoint.missing':
      return 'that checkpoint is whole again';
    case 'engine.outOfMemory':
      return 'it has more memory or another engine, with the same batch';
    case 'model.invalid':
      return 'that is mended, with the same layers in the model';
    case 'loss.invalid': {
      const { done, begun } = await findProgress();
      const failed = stageOrder(recipe).find((stage) => !done.has(stage));
      const losses = userModules(recipe).filter((module) => module.code === 'loss.invalid');
      const files = losses.filter(({ place }) => stageOfLoss(place) === failed).map(({ file }) => file);
      // What was trained with the loss as it was is not trained on with another.
      return losses.some(({ place, file }) => begun.has(stageOfLoss(place)) && files.includes(file)) ? null : 'that is mended';
    }
    default:
      return null;
  }
}
