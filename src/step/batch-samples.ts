/** The samples of a batch by their numbers, for a loss that keeps a memory of them, with the other samples that are drawn for each. */

import { assert, present } from '../base/assert.js';
import { drawOthers } from '../data/draw-others.js';
import type { StageLoss } from '../losses/stage-loss.js';
import type { SampleArrays } from './step-program.js';

/** The parts of a training that its samples follow from. */
export interface MemoryTraining {
  readonly loss: Pick<StageLoss, 'memory' | 'draws'>;
  /** The number of samples of the split that the stage trains on. */
  readonly samples?: number | undefined;
}

/** The place of the draws: the run's seed, and the epoch of the batch, from 0. */
export interface DrawKey {
  readonly seed: number;
  readonly epoch: number;
}

/** The field `samples` of a batch of these samples; none for a loss without a memory. */
export function batchSamples(training: MemoryTraining, { seed, epoch }: DrawKey, ids: Int32Array): { readonly samples?: SampleArrays } {
  const { loss } = training;
  if (!keepsMemory(training)) return {};
  const size = rowsOfMemory(training);
  // In a trial there are fewer samples than the loss draws of the whole split.
  const count = Math.min(loss.draws ?? 0, size - 1);
  return { samples: { ids, drawn: count === 0 ? new Int32Array(0) : drawOthers({ seed, epoch, size }, ids, count) } };
}

/** Made-up samples for a batch of this size, to try or to record a step: each once, as in a real one. */
export function someSamples(training: MemoryTraining, size: number): { readonly samples?: SampleArrays } {
  if (!keepsMemory(training)) return {};
  const rows = rowsOfMemory(training);
  assert(size <= rows, `a batch of ${size} of ${rows} samples, which has none twice`);
  return batchSamples(
    training,
    { seed: 0, epoch: 0 },
    Int32Array.from({ length: size }, (_, i) => i),
  );
}

/** The samples after these in the split, as another batch of the same kind. */
export function nextSamples({ ids, drawn }: SampleArrays, rows: number): SampleArrays {
  const next = (sample: number) => (sample + 1) % rows;
  return { ids: ids.map(next), drawn: drawn.map(next) };
}

/** Asserts that a batch of `size` has the samples that its loss takes, and that all are in the split. */
export function checkSamples(training: MemoryTraining, size: number, samples: SampleArrays | undefined): void {
  if (!keepsMemory(training)) return;
  const { ids, drawn } = present(samples, 'the samples of the batch, which the loss takes');
  assert(ids.length === size && drawn.length % size === 0, `${ids.length} samples and ${drawn.length} drawn for a batch of ${size}`);
  const rows = rowsOfMemory(training);
  assert(
    ids.every((id) => 0 <= id && id < rows),
    `a sample is not below ${rows}`,
  );
}

function keepsMemory({ loss: { memory = [] } }: MemoryTraining): boolean {
  return memory.length > 0;
}

/** The rows of a memory: one for each sample of the split that the stage trains on. */
export function rowsOfMemory({ samples }: Pick<MemoryTraining, 'samples'>): number {
  return present(samples, 'the number of samples, which the loss keeps rows of');
}
