/** The plan of which samples go into which step. Pure: a round that is trained again has the same plan. */

import { sampleAt } from '../../src/data/order.js';
import { cutAtEpochs, epochOf, takeRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';
import type { SampleView } from '../kit/view.js';

export interface BatchPlanOptions {
  /** Positions of the stage, in the order in which they are trained. */
  readonly ranges: readonly Range[];
  /** The number of samples of the split. */
  readonly size: number;
  /** The number of samples of a step. */
  readonly batch: number;
  /** The seed of the order. */
  readonly seed: number;
}

/**
 * The steps of a round, in order. Each takes `batch` positions, across ranges too. Only the last step of an epoch and the
 * last step of the round may be smaller: a step belongs to one epoch, so that one view describes it.
 */
export function planBatches({ ranges, size, batch, seed }: BatchPlanOptions): SampleView[] {
  const plan: SampleView[] = [];
  let rest = cutAtEpochs(ranges, size);
  for (let first = rest[0]; first !== undefined; first = rest[0]) {
    const { epoch } = epochOf(first.start, size);
    const isOther = (range: Range) => epochOf(range.start, size).epoch !== epoch;
    const other = rest.findIndex(isOther);
    const sameEpoch = other < 0 ? rest : rest.slice(0, other);
    const { taken } = takeRanges(sameEpoch, batch);
    plan.push({ epoch, samples: samplesAt(taken, { size, seed }) });
    rest = takeRanges(rest, totalOf(taken)).rest;
  }
  return plan;
}

/** The samples at these positions of the stage, in their order. */
export function samplesAt(ranges: readonly Range[], { size, seed }: Pick<BatchPlanOptions, 'size' | 'seed'>): Int32Array {
  const samples = new Int32Array(totalOf(ranges));
  let next = 0;
  for (const { start, end } of ranges) {
    for (let position = start; position < end; position++) {
      const { epoch, place } = epochOf(position, size);
      samples[next++] = sampleAt({ seed, epoch, size }, place);
    }
  }
  return samples;
}
