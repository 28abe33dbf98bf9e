/**
 * The learning rate during a stage, as a pure function of the samples committed: it does not depend on the number of workers,
 * or on the number of steps that each has taken.
 */

import { assertNever } from '../base/assert.js';
import type { PeerRecipe, ScheduleRecipe } from '../config/schema.js';
import { variableAt } from '../config/variable.js';

export interface Progress {
  /** Samples of the stage that have been trained on, over all workers and epochs. */
  readonly samples: number;
  readonly samplesPerEpoch: number;
}

/** The learning rate: the optimiser's rate times the schedule's share. */
export function rateAt(stage: Pick<PeerRecipe, 'optimizer' | 'schedule' | 'epochs'>, { samples, samplesPerEpoch }: Progress): number {
  const epoch = samples / samplesPerEpoch;
  const { warmupEpochs } = stage.schedule;
  const warmup = epoch < warmupEpochs ? epoch / warmupEpochs : 1;
  return stage.optimizer.rate * warmup * shareAt(stage.schedule, epoch, stage.epochs);
}

/** The schedule's share of the rate. Epochs count from 0 and may be fractions. Warm-up, linear from 0, is applied on top. */
function shareAt(schedule: ScheduleRecipe, epoch: number, epochs: number): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.factor ** schedule.epochs.filter((at) => epoch >= at).length;
    case 'cosine': {
      // The cosine (Loshchilov & Hutter, arXiv 1608.03983, without restarts) falls over the part of the stage after warm-up.
      const span = Math.max(epochs - schedule.warmupEpochs, Number.EPSILON);
      return variableAt({ schedule: 'cosine', from: 1, to: schedule.final }, { epoch: epoch - schedule.warmupEpochs, epochs: span });
    }
    default:
      return assertNever(schedule, 'schedule');
  }
}
