import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Contribution, weightedAverage } from '../../../src/averaging/weighted-average.js';
import { Prng } from '../../../src/base/prng.js';
import { isFiniteArena } from '../../../src/tensor/finite.js';

/** Without -0, which becomes 0 in a sum. */
const arenas = fc.integer({ min: 1, max: 8 }).chain((size) => {
  const arena = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), { minLength: size, maxLength: size });
  const contribution = fc.record({
    samples: fc.integer({ min: 1, max: 1_000_000 }),
    arena: arena.map((x) => Float32Array.from(x, (v) => v + 0)),
  });
  return fc.array(contribution, { minLength: 1, maxLength: 6 });
});

describe('weightedAverage', () => {
  test('by hand: 1 sample of (1, -2) and 3 of (5, 2) make (4, 1)', () => {
    const average = weightedAverage([
      { samples: 1, arena: Float32Array.of(1, -2) },
      { samples: 3, arena: Float32Array.of(5, 2) },
    ]);
    expect([...average]).toEqual([4, 1]);
  });

  test('agrees with the formula in float64, rounded once', () => {
    fc.assert(
      fc.property(arenas, (contributions) => {
        const total = contributions.reduce((sum, { samples }) => sum + samples, 0);
        const expected = contributions[0]!.arena.map((_, i) => contributions.reduce((sum, c) => sum + c.samples * c.arena[i]!, 0) / total);
        expect(bitsOf(weightedAverage(contributions))).toEqual(bitsOf(contributions.length === 1 ? contributions[0]!.arena : expected));
      }),
    );
  });

  test('one that is alone gets its own bits, as a copy: NaN, -0 and subnormals too', () => {
    const arena = Float32Array.of(-0, Number.NaN, 1e-45, 3.4e38, Number.NEGATIVE_INFINITY, 0.1);
    const average = weightedAverage([{ samples: 7, arena }]);
    expect(bitsOf(average)).toEqual(bitsOf(arena));
    expect(average.buffer).not.toBe(arena.buffer);
  });

  test('equal arenas average to themselves, whatever the weights', () => {
    fc.assert(
      fc.property(arenas, fc.integer({ min: 1, max: 100_000 }), ([first], samples) => {
        const { arena } = first as Contribution;
        const copies = [3, samples, 41].map((weight) => ({ samples: weight, arena: arena.slice() }));
        expect([...weightedAverage(copies)]).toEqual([...arena]);
      }),
    );
  });

  test('what comes in stays as it is', () => {
    const a = Float32Array.of(1, 2);
    const b = Float32Array.of(3, 4);
    weightedAverage([
      { samples: 1, arena: a },
      { samples: 2, arena: b },
    ]);
    expect([...a, ...b]).toEqual([1, 2, 3, 4]);
  });

  test('sums large numbers that cancel without losing the small one', () => {
    const parts = [1e8, 1, -1e8].map((x) => ({ samples: 1, arena: Float32Array.of(x) }));
    expect(weightedAverage(parts)[0]).toBe(Math.fround(1 / 3));
  });

  test.each([
    ['nothing to average', []],
    ['of 0 samples', [{ samples: 0, arena: new Float32Array(1) }]],
    ['of -1 samples', [{ samples: -1, arena: new Float32Array(1) }]],
    ['of 1.5 samples', [{ samples: 1.5, arena: new Float32Array(1) }]],
    [
      'different lengths',
      [
        { samples: 1, arena: new Float32Array(1) },
        { samples: 1, arena: new Float32Array(2) },
      ],
    ],
  ])('%s is a broken invariant', (_, contributions) => {
    expect(() => weightedAverage(contributions)).toThrow();
  });
});

describe('isFiniteArena', () => {
  const random = new Prng(3);
  const arena = Float32Array.from({ length: 1000 }, () => random.normal() * 1e30);

  test('finite numbers of any size, and nothing at all', () => {
    expect(isFiniteArena(arena)).toBe(true);
    expect(isFiniteArena(Float32Array.of(3.4028235e38, -3.4028235e38, 1e-45, -0))).toBe(true);
    expect(isFiniteArena(new Float32Array(0))).toBe(true);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%f anywhere', (bad) => {
    for (const at of [0, 500, 999]) expect(isFiniteArena(arena.with(at, bad))).toBe(false);
  });
});

function bitsOf(arena: Float32Array): number[] {
  return [...new Uint32Array(arena.buffer, arena.byteOffset, arena.length)];
}
