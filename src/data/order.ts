/**
 * The order of samples in an epoch: a permutation of [0, size) keyed by (seed, epoch), any place of it computed alone,
 * in constant memory. It does not depend on who asks, nor on how many workers there are.
 *
 * A Feistel network on the pairs Z_a x Z_b with a * b >= size (Black and Rogaway, "Ciphers with Arbitrary Finite
 * Domains", 2002): each round adds a hash of one half to the other, which can be undone, so the network permutes the
 * pairs. A result outside [0, size) is sent through again until it is inside (cycle walking), which keeps it a
 * permutation. As a * b < size + a, one pass is nearly always enough.
 *
 * Changing anything here changes the order of every run: a run that is resumed would see samples twice. Golden values
 * in the tests hold it.
 */

import { assert } from '../base/assert.js';
import { hashString, hashWords } from '../base/prng.js';

/** Which permutation: the stage's seed, the epoch (from 0) and the number of samples. */
export interface SampleOrder {
  readonly seed: number;
  readonly epoch: number;
  readonly size: number;
}

const STREAM = hashString('order');
/**
 * Even. Four rounds are a pseudo-random permutation on large domains (Luby and Rackoff, 1988), but the smallest are only
 * well mixed by more: at 16 the permutations of 6 are still unevenly frequent, at 24 they are not.
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
