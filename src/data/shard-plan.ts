/**
 * Range arithmetic over the positions of a stage: those left to train, those of a round, those of each member.
 * Position p is place p mod N of epoch floor(p / N); a range is [start, end). It is pure: no state, no clock, no files.
 *
 * Invariants: no function returns an empty range; none loses a position or returns one twice; inputs are not changed.
 * A list of ranges is disjoint. Two ranges of a list that overlap are a bug: {@link mergeRanges} asserts it.
 */

import { assert } from '../base/assert.js';
import type { Range } from '../protocol/field.js';

export type { Range };

/** The number of positions in the ranges. */
export function totalOf(ranges: readonly Range[]): number {
  return ranges.reduce((total, { start, end }) => total + (end - start), 0);
}

/** The same positions, ascending, neighbours joined: the one normal form of a set of positions. Asserts that nothing overlaps. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    assert(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start < end, `[${start}, ${end}) is not a range`);
    const last = merged.at(-1);
    assert(last === undefined || last.end <= start, `ranges overlap at position ${start}`);
    if (last?.end === start) merged[merged.length - 1] = { start: last.start, end };
    else merged.push({ start, end });
  }
  return merged;
}

/** The positions of `whole` that are not in `taken`, in normal form. Positions of `taken` outside of `whole` change nothing. */
export function subtractRanges(whole: readonly Range[], taken: readonly Range[]): Range[] {
  const holes = mergeRanges(taken);
  const rest: Range[] = [];
  let next = 0;
  for (const { start, end } of mergeRanges(whole)) {
    let from = start;
    while (next < holes.length && holes[next]!.end <= from) next++;
    for (let i = next; i < holes.length && holes[i]!.start < end; i++) {
      if (from < holes[i]!.start) rest.push({ start: from, end: holes[i]!.start });
      from = Math.max(from, holes[i]!.end);
    }
    if (from < end) rest.push({ start: from, end });
  }
  return rest;
}

/** The first `count` positions of a queue, in the queue's order, and the rest of the queue. Takes all when there are fewer. */
export function takeRanges(queue: readonly Range[], count: number): { taken: Range[]; rest: Range[] } {
  assert(Number.isSafeInteger(count) && count >= 0, `cannot take ${count} positions`);
  const taken: Range[] = [];
  const rest: Range[] = [];
  let wanted = count;
  for (const { start, end } of queue) {
    const cut = Math.min(end, start + wanted);
    if (start < cut) taken.push({ start, end: cut });
    if (cut < end) rest.push({ start: cut, end });
    wanted -= cut - start;
  }
  return { taken, rest };
}

/** Divides the ranges, in order: part i gets sizes[i] positions, or an empty list when that is 0. Asserts that the sizes add up to the total. */
export function splitRanges(ranges: readonly Range[], sizes: readonly number[]): Range[][] {
  let rest = [...ranges];
  const parts = sizes.map((size) => {
    const cut = takeRanges(rest, size);
    assert(totalOf(cut.taken) === size, `a part of ${size} positions is more than is left`);
    rest = cut.rest;
    return cut.taken;
  });
  assert(rest.length === 0, `${totalOf(rest)} positions belong to no part`);
  return parts;
}

/** The epoch of a position (from 0) and its place in that epoch's order. `size` is the number of samples N. */
export function epochOf(position: number, size: number): { epoch: number; place: number } {
  assert(Number.isSafeInteger(size) && size > 0, `an epoch of ${size} samples`);
  const epoch = Math.floor(position / size);
  return { epoch, place: position - epoch * size };
}

/** The same positions in the same order, cut so that no range crosses the end of an epoch of `size` samples. */
export function cutAtEpochs(ranges: readonly Range[], size: number): Range[] {
  const cut: Range[] = [];
  for (const { start, end } of ranges) {
    let from = start;
    while (from < end) {
      const to = Math.min(end, (epochOf(from, size).epoch + 1) * size);
      cut.push({ start: from, end: to });
      from = to;
    }
  }
  return cut;
}
