/** What is made of the turns of two sides. Pure. */

import { assert } from '../../src/base/assert.js';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value; of an even number the mean of the two in the middle. Throws InvariantError when there is none. */
export function median(values: readonly number[]): number {
  assert(values.length > 0, 'the median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number): number => sorted[i] ?? Number.NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
}

/** Median and extremes. Throws InvariantError when there are no values. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Of each pair, ours over the anchor's, both in the same unit of speed. */
export function ratios(ours: readonly number[], anchor: readonly number[]): number[] {
  assert(ours.length === anchor.length, `${ours.length} turns of ours and ${anchor.length} of the anchor`);
  return ours.map((rate, i) => rate / (anchor[i] ?? Number.NaN));
}

/** How many steps a turn of so many seconds has; at least one. */
export function stepsPerTurn(turnSeconds: number, secondsPerStep: number): number {
  return Math.max(1, Math.ceil(turnSeconds / secondsPerStep));
}

/** ||a||, Euclidean. */
export function normOf(a: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value) => sum + value * value, 0));
}

/** ||a - b||. NaN where a value is, or when lengths differ. */
export function normOfDifference(a: Float32Array, b: Float32Array): number {
  return a.length === b.length ? normOf(a.map((value, i) => value - (b[i] ?? Number.NaN))) : Number.NaN;
}
