/** Whether the memory of a loss can be, for the split that its stage trains on. Pure. */

import { LIMITS } from '../base/limits.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { type MemoryTraining, rowsOfMemory } from './batch-samples.js';

const MIB = 2 ** 20;

/** Throws `loss.invalid` when there are not more samples than the loss draws for each, and when its memory is larger than a state's may be. */
export function checkMemory(training: MemoryTraining, { on }: { readonly on: string }): void {
  const { memory = [], draws = 0 } = training.loss;
  const rows = rowsOfMemory(training);
  if (draws >= rows) {
    const what = `each sample is contrasted with ${draws.toLocaleString('en-US')} others, and the split ${on} has ${rows.toLocaleString('en-US')}`;
    throw new StillhouseError('loss.invalid', what, { hint: `Set negatives to ${(rows - 1).toLocaleString('en-US')} at most` });
  }
  const bytes = memory.reduce((sum, { width }) => sum + 4 * (width === null ? 1 : rows * width), 0);
  if (bytes <= LIMITS.memoryBytes) return;
  const what = `the memory of ${rows.toLocaleString('en-US')} samples takes ${Math.ceil(bytes / MIB)} MiB, and a state can have ${LIMITS.memoryBytes / MIB} MiB of it`;
  throw new StillhouseError('loss.invalid', what, { hint: 'Take a smaller width, or fewer samples' });
}
