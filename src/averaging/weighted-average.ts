/**
 * The weighted average of arenas, on plain typed arrays.
 *
 * Invariants: a pure function of the contributions and their order, so every replica that averages the same list in the
 * same (rank) order gets the same bits; sums are in float64 and rounded to float32 once. A single contributor
 * gets exactly its own bits back.
 */

import { assert, present } from '../base/assert.js';

export interface Contribution {
  /** The weight: the number of samples in the arena's update. A whole number from 1. */
  readonly samples: number;
  readonly arena: Float32Array;
}

/** sum(samples_i * arena_i) / sum(samples_i), summed in the order of the list. A new array. */
export function weightedAverage(contributions: readonly Contribution[]): Float32Array {
  const first = present(contributions[0], 'a contribution to average');
  const size = first.arena.length;
  let total = 0;
  for (const { samples, arena } of contributions) {
    assert(Number.isSafeInteger(samples) && samples > 0, `a contribution of ${samples} samples`);
    assert(arena.length === size, `arenas of ${size} and ${arena.length} elements in one average`);
    total += samples;
  }
  if (contributions.length === 1) return first.arena.slice();

  const sum = new Float64Array(size);
  for (const { samples, arena } of contributions) {
    for (let i = 0; i < size; i++) sum[i] = sum[i]! + samples * arena[i]!;
  }
  const average = new Float32Array(size);
  for (let i = 0; i < size; i++) average[i] = sum[i]! / total;
  return average;
}
