/**
 * Draws other samples for each sample of a batch, for a loss that contrasts a sample with many others: without replacement, uniformly,
 * and never the sample itself. The draws are a pure function of (seed, epoch, sample), so that any process draws the same ones again.
 */

import { assert } from '../base/assert.js';
import { hashString, hashWords } from '../base/prng.js';
import type { SampleOrder } from './order.js';

const STREAM = hashString('others');

/**
 * `count` other samples for each of `samples`, [B, count], row by row; `size` is the number of all samples, and `count` is below it. The time
 * follows from B * count alone: it shuffles the first places of one list (Fisher and Yates, in Durstenfeld's form), and then undoes that.
 */
export function drawOthers({ seed, epoch, size }: SampleOrder, samples: Int32Array, count: number): Int32Array {
  assert(0 < count && count < size, `${count} other samples of ${size}`);
  // All samples but one: the places from that sample on stand for the samples after it.
  const others = Int32Array.from({ length: size - 1 }, (_, place) => place);
  const swaps = new Int32Array(count);
  const drawn = new Int32Array(samples.length * count);
  samples.forEach((sample, row) => {
    const key = hashWords(STREAM, seed, epoch, sample);
    for (let i = 0; i < count; i++) {
      const place = i + Math.floor((hashWords(key, i) / 4294967296) * (size - 1 - i));
      const other = others[place]!;
      others[place] = others[i]!;
      others[i] = other;
      swaps[i] = place;
      drawn[row * count + i] = other < sample ? other : other + 1;
    }
    for (let i = count - 1; i >= 0; i--) {
      const place = swaps[i]!;
      const other = others[i]!;
      others[i] = others[place]!;
      others[place] = other;
    }
  });
  return drawn;
}
