/**
 * The order of samples in an epoch: a permutation of [0, size) keyed by (seed, epoch). Each place of it is computed alone,
 * in constant memory. It depends neither on the process that asks nor on the number of workers.
 *
 * A Feistel network on the pairs Z_a x Z_b with a * b >= size (Black and Rogaway, "Ciphers with Arbitrary Finite
 * Domains", 2002): each round adds a hash of one half to the other, which can be undone, so the network permutes the
 * pairs. A result outside [0, size) is sent through again until it is inside (cycle walking), which keeps it a
 * permutation. As a * b < size + a, one pass is nearly always enough.
 *
 * Any change here changes the order of every run: a run that is resumed would see samples twice. Golden values
 * in the tests guard it.
 */

import { assert } from '../base/assert.js';
import { hashString, hashWords } from '../base/prng.js';

/** The key and the size of a permutation: the stage's seed, the epoch (from 0) and the number of samples. */
export interface SampleOrder {
  readonly seed: number;
  readonly epoch: number;
  readonly size: number;
}

const STREAM = hashString('order');
/**
 * An even number. Four rounds give a pseudo-random permutation of a large domain (Luby and Rackoff, 1988), but a small one
 * needs more: with 16 rounds some permutations of 6 elements are more frequent than others, with 24 they are not.
 */
const ROUNDS = 24;

/** The sample at a place of the epoch's order; both from 0. */
export function sampleAt({ seed, epoch, size }: SampleOrder, place: number): number {
  assert(Number.isSafeInteger(place) && 0 <= place && place < size, `place ${place} is not in an epoch of ${size}`);
  const a = Math.ceil(Math.sqrt(size));
  const b = Math.ceil(size / a);
  const key = hashWords(STREAM, seed, epoch);
  let value = place;
  do {
    let high = Math.floor(value / b);
    let low = value % b;
    for (let round = 0; round < ROUNDS; round += 2) {
      high = (high + hashWords(key, round, low)) % a;
      low = (low + hashWords(key, round + 1, high)) % b;
    }
    value = high * b + low;
  } while (value >= size);
  return value;
}
