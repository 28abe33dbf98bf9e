/** The order is a permutation, shuffles as well as a real shuffle does, and is the same for ever. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../../src/base/assert.js';
import { Prng } from '../../../src/base/prng.js';
import { sampleAt } from '../../../src/data/order.js';

const orderOf = (seed: number, epoch: number, size: number): number[] =>
  Array.from({ length: size }, (_, place) => sampleAt({ seed, epoch, size }, place));

/** Fisher and Yates, for comparison. */
function shuffled(size: number, seed: number): number[] {
  const draws = new Prng(seed);
  const items = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = draws.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** Correlation of a place's sample with that of the place `lag` further on. */
function serialCorrelation(order: readonly number[], lag: number): number {
  const mean = (order.length - 1) / 2;
  let product = 0;
  let square = 0;
  for (const [i, sample] of order.entries()) {
    square += (sample - mean) ** 2;
    if (i + lag < order.length) product += (sample - mean) * (order[i + lag]! - mean);
  }
  return product / square;
}

/** How often neighbours in the order are neighbours in the files. A shuffle of n has 2 of them, Poisson. */
function neighbours(order: readonly number[]): number {
  return order.filter((sample, i) => i > 0 && Math.abs(sample - order[i - 1]!) === 1).length;
}

/** The most frequent difference of neighbours, as a count: an affine map has one difference only. */
function commonestStep(order: readonly number[]): number {
  const counts = new Map<number, number>();
  for (let i = 1; i < order.length; i++) {
    const step = order[i]! - order[i - 1]!;
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}

function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Five standard deviations above chi-square's mean: a fair order fails by chance less than once in 100,000. */
const chiSquareMax = (freedom: number): number => freedom + 5 * Math.sqrt(2 * freedom) + 5;

describe('sample order', () => {
  test('is a permutation for any size, seed and epoch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(2 ** 32 - 1), fc.nat(1000), (size, seed, epoch) => {
        expect(new Set(orderOf(seed, epoch, size)).size).toBe(size);
      }),
      { numRuns: 60 },
    );
    for (let size = 1; size <= 300; size++) {
      const order = orderOf(7, size, size);
      expect(Math.min(...order)).toBe(0);
      expect(Math.max(...order)).toBe(size - 1);
      expect(new Set(order).size).toBe(size);
    }
  });

  test.each([8000, 10_000, 50_000, 65_536, 65_537])('is a permutation of %d', (size) => {
    const seen = new Uint8Array(size);
    for (let place = 0; place < size; place++) seen[sampleAt({ seed: 1, epoch: 0, size }, place)]!++;
    expect(seen.every((times) => times === 1)).toBe(true);
  });

  test.each([2, 3, 4, 5])('gives every permutation of %d, equally often', (size) => {
    const counts = new Map<string, number>();
    const permutations = [1, 1, 2, 6, 24, 120][size]!;
    const runs = permutations * 100;
    for (let seed = 0; seed < runs; seed++) {
      const key = orderOf(seed, 0, size).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(permutations);
    expect(chiSquare([...counts.values()], 100)).toBeLessThan(chiSquareMax(permutations - 1));
  });

  test.each(Array.from({ length: 20 }, (_, i) => i + 1))('puts every one of %d samples at every place equally often', (size) => {
    const counts = new Array<number>(size * size).fill(0);
    for (let epoch = 0; epoch < 100 * size; epoch++) {
      for (const [place, sample] of orderOf(3, epoch, size).entries()) counts[place * size + sample]!++;
    }
    expect(chiSquare(counts, 100)).toBeLessThan(chiSquareMax((size - 1) ** 2));
  });

  test.each([997, 1024, 10_000])('has the neighbours and serial correlations of a real shuffle of %d', (size) => {
    const runs = 40;
    const bound = 4.5 / Math.sqrt(size);
    let mine = 0;
    let real = 0;
    for (let seed = 0; seed < runs; seed++) {
      const order = orderOf(seed, 0, size);
      const reference = shuffled(size, seed + 1000);
      mine += neighbours(order);
      real += neighbours(reference);
      expect(commonestStep(order)).toBeLessThanOrEqual(commonestStep(reference) + 6);
      for (const lag of [1, 2, 3, 10, Math.ceil(Math.sqrt(size))]) expect(Math.abs(serialCorrelation(order, lag))).toBeLessThan(bound);
    }
    // Two a run, Poisson: 80 in all, standard deviation 9.
    expect(Math.abs(real - 2 * runs)).toBeLessThan(45);
    expect(Math.abs(mine - 2 * runs)).toBeLessThan(45);
  });

  test('leaves as many samples at their own place as a shuffle does: one', () => {
    const runs = 400;
    let fixed = 0;
    for (let epoch = 0; epoch < runs; epoch++) fixed += orderOf(5, epoch, 500).filter((sample, place) => sample === place).length;
    expect(Math.abs(fixed - runs)).toBeLessThan(5 * Math.sqrt(runs));
  });

  test.each([
    ['epochs', (i: number) => orderOf(1, i, 1000)],
    ['seeds', (i: number) => orderOf(i, 0, 1000)],
  ])('different %s give orders that have nothing to do with each other', (_, order) => {
    const runs = 50;
    let same = 0;
    for (let i = 0; i < runs; i++) {
      const next = order(i + 1);
      same += order(i).filter((sample, place) => sample === next[place]).length;
    }
    expect(Math.abs(same - runs)).toBeLessThan(5 * Math.sqrt(runs));
  });

  test('the same key gives the same order', () => {
    expect(orderOf(11, 4, 777)).toEqual(orderOf(11, 4, 777));
  });

  test.each([
    { seed: 1, epoch: 0, size: 10, golden: [7, 2, 4, 1, 9, 0, 3, 8, 5, 6] },
    { seed: 1, epoch: 1, size: 10, golden: [2, 9, 5, 6, 8, 3, 7, 4, 1, 0] },
    { seed: 2, epoch: 0, size: 10, golden: [2, 6, 8, 3, 5, 9, 1, 4, 7, 0] },
    { seed: 2 ** 32 - 1, epoch: 239, size: 50_000, golden: [5426, 47830, 48262, 27887, 410, 47131, 8919, 8701, 29509, 14809] },
    {
      seed: 1,
      epoch: 0,
      size: 10_000_000_000,
      golden: [6261730169, 1564996646, 8863792952, 2937775970, 8197684112, 4340496140, 4790140927, 7265565342, 9091088376, 7969528562],
    },
  ])('is pinned: seed $seed, epoch $epoch, size $size', ({ seed, epoch, size, golden }) => {
    expect(Array.from({ length: 10 }, (_, place) => sampleAt({ seed, epoch, size }, place))).toEqual(golden);
  });

  test.each([-1, 10, 0.5, Number.NaN])('asserts on a place of %s in ten', (place) => {
    expect(() => sampleAt({ seed: 1, epoch: 0, size: 10 }, place)).toThrow(InvariantError);
  });
});
