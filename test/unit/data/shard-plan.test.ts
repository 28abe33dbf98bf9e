/** Range arithmetic against the same operations on plain sets of positions. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../../src/base/assert.js';
import {
  cutAtEpochs,
  epochOf,
  mergeRanges,
  type Range,
  splitRanges,
  subtractRanges,
  takeRanges,
  totalOf,
} from '../../../src/data/shard-plan.js';

const positionsOf = (ranges: readonly Range[]): number[] =>
  ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
const ascending = (positions: readonly number[]): number[] => [...positions].sort((a, b) => a - b);

/** Disjoint ranges in any order, some of them neighbours. */
const someRanges = fc
  .array(fc.record({ gap: fc.nat(3), length: fc.integer({ min: 1, max: 9 }), rank: fc.nat() }), { maxLength: 12 })
  .map((pieces) => {
    let at = 0;
    const placed = pieces.map(({ gap, length, rank }) => {
      const start = at + gap;
      at = start + length;
      return { rank, range: { start, end: at } };
    });
    return placed.sort((a, b) => a.rank - b.rank).map(({ range }) => range);
  });

function expectNormal(ranges: readonly Range[]): void {
  for (const [i, { start, end }] of ranges.entries()) {
    expect(start).toBeLessThan(end);
    if (i > 0) expect(ranges[i - 1]!.end).toBeLessThan(start);
  }
}

describe('shard plan', () => {
  test('merge keeps the positions and gives the one normal form', () => {
    fc.assert(
      fc.property(someRanges, (ranges) => {
        const before = structuredClone(ranges);
        const merged = mergeRanges(ranges);
        expectNormal(merged);
        expect(positionsOf(merged)).toEqual(ascending(positionsOf(ranges)));
        expect(mergeRanges([...ranges].reverse())).toEqual(merged);
        expect(totalOf(merged)).toBe(totalOf(ranges));
        expect(ranges).toEqual(before);
      }),
    );
  });

  test.each([
    ['the same twice', [4, 8], [4, 8]],
    ['one inside the other', [0, 10], [3, 5]],
    ['one position shared', [0, 5], [4, 6]],
    ['empty', [0, 5], [7, 7]],
    ['backwards', [0, 5], [9, 8]],
    ['negative', [-1, 5], [8, 9]],
    ['not whole', [0, 1.5], [8, 9]],
  ] as const)('merge asserts on ranges that are no disjoint ranges: %s', (_, a, b) => {
    const ranges = [a, b].map(([start, end]) => ({ start, end }));
    expect(() => mergeRanges(ranges)).toThrow(InvariantError);
    expect(() => subtractRanges([{ start: 0, end: 100 }], ranges)).toThrow(InvariantError);
  });

  test('subtract leaves what is in the whole and not taken', () => {
    fc.assert(
      fc.property(someRanges, someRanges, (whole, taken) => {
        const rest = subtractRanges(whole, taken);
        const gone = new Set(positionsOf(taken));
        expectNormal(rest);
        expect(positionsOf(rest)).toEqual(ascending(positionsOf(whole).filter((position) => !gone.has(position))));
      }),
    );
  });

  test('what is subtracted and what is left make up the whole', () => {
    fc.assert(
      fc.property(someRanges, fc.nat(60), (whole, count) => {
        const { taken } = takeRanges(whole, count);
        expect(mergeRanges([...taken, ...subtractRanges(whole, taken)])).toEqual(mergeRanges(whole));
      }),
    );
  });

  test('take gives the first positions of the queue, in its order, and keeps the others', () => {
    fc.assert(
      fc.property(someRanges, fc.nat(120), (queue, count) => {
        const { taken, rest } = takeRanges(queue, count);
        expect(totalOf(taken)).toBe(Math.min(count, totalOf(queue)));
        expect([...positionsOf(taken), ...positionsOf(rest)]).toEqual(positionsOf(queue));
        for (const { start, end } of [...taken, ...rest]) expect(start).toBeLessThan(end);
      }),
    );
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('take asserts on a count of %s', (count) => {
    expect(() => takeRanges([{ start: 0, end: 4 }], count)).toThrow(InvariantError);
  });

  test('split deals every position to one part, in order, each of the size asked for', () => {
    const dealt = someRanges.chain((ranges) =>
      fc.record({ ranges: fc.constant(ranges), cuts: fc.array(fc.nat(totalOf(ranges)), { maxLength: 5 }) }),
    );
    fc.assert(
      fc.property(dealt, ({ ranges, cuts }) => {
        const edges = [0, ...ascending(cuts), totalOf(ranges)];
        const sizes = edges.slice(1).map((edge, i) => edge - edges[i]!);
        const parts = splitRanges(ranges, sizes);
        expect(parts.map(totalOf)).toEqual(sizes);
        expect(parts.flatMap(positionsOf)).toEqual(positionsOf(ranges));
      }),
    );
  });

  test('split asserts when the sizes do not add up', () => {
    const ranges = [{ start: 0, end: 10 }];
    expect(() => splitRanges(ranges, [4, 5])).toThrow('1 positions belong to no part');
    expect(() => splitRanges(ranges, [4, 7])).toThrow('more than is left');
    expect(splitRanges([], [0, 0])).toEqual([[], []]);
  });

  test('a position is a place of an epoch, and back', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 2 ** 20 }), (position, size) => {
        const { epoch, place } = epochOf(position, size);
        expect(epoch * size + place).toBe(position);
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThan(size);
      }),
    );
    expect(() => epochOf(0, 0)).toThrow(InvariantError);
  });

  test('cut at epochs keeps positions and order, and no range crosses an end', () => {
    fc.assert(
      fc.property(someRanges, fc.integer({ min: 1, max: 20 }), (ranges, size) => {
        const cut = cutAtEpochs(ranges, size);
        expect(positionsOf(cut)).toEqual(positionsOf(ranges));
        for (const { start, end } of cut) expect(epochOf(start, size).epoch).toBe(epochOf(end - 1, size).epoch);
      }),
    );
    expect(cutAtEpochs([{ start: 5, end: 25 }], 10)).toEqual([
      { start: 5, end: 10 },
      { start: 10, end: 20 },
      { start: 20, end: 25 },
    ]);
  });
});
