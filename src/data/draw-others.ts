/**
 * Draws other samples for each sample of a batch, for a loss that contrasts a sample with many others: without replacement, uniformly,
 * and never the sample itself. The draws are a pure function of (seed, epoch, sample), so that any process draws the same ones again.
 */

import { assert } from '../base/assert.js';
import { fillWords, hashString, hashWords } from '../base/prng.js';
import type { SampleOrder } from './order.js';

const STREAM = hashString('others');
/** The list of the last call: 0 to length - 1, in order between calls. */
let list = new Int32Array(0);

/**
 * `count` other samples for each of `samples`, [B, count], row by row; `size` is the number of all samples, and `count` is below it. It
 * shuffles the first places of one list (Fisher and Yates, in Durstenfeld's form), and then puts the list in order again: the time follows from
 * B * count, but for the first call with a size, which makes the list.
 */
export function drawOthers({ seed, epoch, size }: SampleOrder, samples: Int32Array, count: number): Int32Array {
  assert(0 < count && count < size, `${count} other samples of ${size}`);
  // All samples but one: the places from that sample on stand for the samples after it.
  const others = listOf(size - 1);
  const places = new Int32Array(count);
  const drawn = new Int32Array(samples.length * count);
  samples.forEach((sample, row) => {
    drawPlaces(hashWords(STREAM, seed, epoch, sample), size - 1, places);
    const first = row * count;
    for (let i = 0; i < count; i++) {
      const place = places[i]!;
      const other = others[place]!;
      others[place] = others[i]!;
      // other, or other + 1 from the sample on: without a branch, which would be guessed wrong half the time.
      drawn[first + i] = other + 1 - ((other - sample) >>> 31);
    }
    // Before the call each place had its own number. No other place than these has changed.
    for (let i = 0; i < count; i++) others[places[i]!] = places[i]!;
    for (let i = 0; i < count; i++) others[i] = i;
  });
  return drawn;
}

/** The places that a shuffle of `length` swaps with its first ones: one from i on for each i, uniformly. A loop of its own runs much faster. */
function drawPlaces(key: number, length: number, places: Int32Array): void {
  fillWords(key, places);
  for (let i = 0; i < places.length; i++) places[i] = i + ((((places[i]! >>> 0) / 4294967296) * (length - i)) | 0);
}

function listOf(length: number): Int32Array {
  if (list.length !== length) list = Int32Array.from({ length }, (_, place) => place);
  return list;
}
