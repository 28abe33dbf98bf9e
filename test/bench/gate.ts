/** What a gate compares. Pure; each answers what differs, in words, or null. */

import type { ArenaEntry } from '../../src/tensor/arena.js';
import { normOf, normOfDifference } from './statistics.js';

/** How far a parameter near 1 is from its neighbour in float32. */
const ROUNDING = 1.2e-7;

/** The first of two lists of numbers that differ by more than a share of the larger, or null. */
export function compareNumbers(ours: readonly number[], anchor: readonly number[], tolerance: number): string | null {
  if (ours.length !== anchor.length) return `${ours.length} values of ours and ${anchor.length} of the anchor`;
  const at = ours.findIndex((value, i) => !(Math.abs(value - (anchor[i] ?? Number.NaN)) <= tolerance * Math.abs(value)));
  return at < 0 ? null : `value ${at + 1} is ${ours[at]?.toPrecision(6)}, the anchor's ${anchor[at]?.toPrecision(6)}`;
}

export interface Updates {
  /** Arenas: before the step, and after it on both sides. */
  readonly start: Float32Array;
  readonly ours: Float32Array;
  readonly anchor: Float32Array;
  /** Share of the norm of a tensor's change. */
  readonly tolerance: number;
}

/** The first tensor of parameters that a step changes differently on the two sides. */
export function compareUpdates(
  entries: readonly Pick<ArenaEntry, 'name' | 'offset' | 'size'>[],
  { start, ours, anchor, tolerance }: Updates,
): string | null {
  for (const { name, offset, size } of entries) {
    const part = (arena: Float32Array) => arena.subarray(offset, offset + size);
    const change = normOfDifference(part(anchor), part(start));
    const difference = normOfDifference(part(ours), part(anchor));
    // Not >: what is not a number does not pass.
    if (!(difference <= tolerance * change + ROUNDING * normOf(part(start)))) {
      return `the first step changes ${name} by ${change.toExponential(1)} (norm), and ours differs from that by ${difference.toExponential(1)}`;
    }
  }
  return null;
}
