import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { nst } from '../../../src/losses/nst.js';
import { nstDeclaration } from '../../../src/losses/nst-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';
import type { Plain } from '../../support/plain-tensor.js';
import { pooledAt } from '../../support/pooling-reference.js';

/** The channels of sample b as unit vectors over the places. */
function unitChannelsOf(map: Plain, size: { readonly height: number; readonly width: number }, b: number): number[][] {
  const at = pooledAt(map, size);
  return Array.from({ length: map.shape[3]! }, (_, c) => {
    const values = Array.from({ length: size.height * size.width }, (__, n) => at(b, Math.floor(n / size.width), n % size.width, c));
    const norm = Math.max(1e-12, Math.hypot(...values));
    return values.map((value) => value / norm);
  });
}

/** The mean of (a . b)^2 over all pairs of channels. */
function meanKernel(a: readonly number[][], b: readonly number[][]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, n) => sum + value * y[n]!, 0);
  return a.reduce((sum, x) => sum + b.reduce((part, y) => part + dot(x, y) ** 2, 0), 0) / (a.length * b.length);
}

const filled = (channels: number, value: (i: number) => number): Plain =>
  plainMap(
    2,
    3,
    channels,
    Array.from({ length: 12 * channels }, (_, i) => value(i)),
  );

/** For a teacher of few channels, which sends its maps, and for one of many, which sends Gram matrices. */
const extremesOf = (own: (i: number) => number, teacher: (i: number) => number) =>
  [2, 7].map((channels) => ({ classes: 2, labels: [0, 1], student: [filled(3, own)], other: [filled(channels, teacher)] }));
const [largeMaps, largeGrams] = extremesOf(
  (i) => (i % 3) * 1e4,
  (i) => (i % 5) * -1e4,
);
const [zeroMaps, zeroGrams] = extremesOf(
  () => 0,
  (i) => i,
);
const [tinyMaps, tinyGrams] = extremesOf(
  (i) => i * 1e-8,
  () => 0,
);

describeLoss({
  loss: LOSSES.nst!,
  golden: 'nst.json',
  cases: {
    'more places than channels': maps([
      [
        [4, 4, 3],
        [4, 4, 2],
      ],
    ]),
    'more channels than places': maps([
      [
        [2, 2, 3],
        [2, 2, 6],
      ],
    ]),
    'as many channels as places': maps([
      [
        [2, 3, 6],
        [2, 3, 6],
      ],
    ]),
    'sizes that do not divide, two pairs': maps(
      [
        [
          [5, 3, 2],
          [3, 7, 4],
        ],
        [
          [3, 3, 2],
          [2, 2, 5],
        ],
      ],
      { weights: [1, 0.5] },
    ),
  },
  reference({ student, other, labels, weights = student.map(() => 1) }) {
    return student.reduce((total, own, i) => {
      const teacher = other[i]!;
      const size = { height: Math.min(own.shape[1]!, teacher.shape[1]!), width: Math.min(own.shape[2]!, teacher.shape[2]!) };
      const ofSamples = labels.map((_, b) => {
        const [s, t] = [unitChannelsOf(own, size, b), unitChannelsOf(teacher, size, b)];
        return meanKernel(t, t) + meanKernel(s, s) - 2 * meanKernel(s, t);
      });
      return total + weights[i]! * ofSamples.reduce((sum, value) => sum + value, 0);
    }, 0);
  },
  extremes: {
    'activations of 1e4, maps': largeMaps!,
    'activations of 1e4, Gram matrices': largeGrams!,
    'a student of zeros, maps': zeroMaps!,
    'a student of zeros, Gram matrices': zeroGrams!,
    'tiny activations and a teacher of zeros, maps': tinyMaps!,
    'tiny activations and a teacher of zeros, Gram matrices': tinyGrams!,
  },
});

describeEachEngine(() => {
  const run = (own: Plain, teacher: Plain, more: Partial<LossCase> = {}) =>
    runLoss({ declaration: nstDeclaration, method: nst }, { classes: 2, labels: [0], student: [own], other: [teacher], ...more });

  describe('by hand', () => {
    // One channel each, of 1x2: (1, 1) / sqrt 2 and (1, 0). K(t, t) = K(s, s) = 1, K(s, t) = 1/2.
    test('two channels at half a right angle: 1 + 1 - 2 / 2', () => {
      const { sum, count } = run(plainMap(1, 2, 1, [3, 3]), plainMap(1, 2, 1, [5, 0]));
      expect(sum).toBeCloseTo(1, 5);
      expect(count).toBe(1);
    });

    // The teacher's channels are (1, 0) and (0, 1): mean K(t, t) = 1/2, mean K(s, t) = 1/2 for every student of one channel.
    test('with two channels of the teacher, in Gram matrices: 1/2 + 1 - 2 / 2, by the weight of the pair', () => {
      expect(run(plainMap(1, 2, 1, [3, 3]), plainMap(1, 2, 2, [1, 0, 0, 1]), { weights: [4] }).sum).toBeCloseTo(2, 5);
    });

    test('the order, the sizes and the signs of the channels do not matter', () => {
      const own = plainMap(1, 3, 2, [1, -4, 2, 0, 3, 8]);
      const { sum, gradients } = run(own, plainMap(1, 3, 2, [-2, 10, 0, 20, 4, 30]));
      expect(Math.abs(sum)).toBeLessThan(1e-6);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  const settings = { taps: [['own', 'teacher']] as const, weights: [1], constants: {} };
  const reductionOf = (own: readonly number[], teacher: readonly number[]) => {
    const { student, other } = nstDeclaration.needs(settings, { student: () => own, other: () => teacher });
    return [student[0], other[0]].map((spec) => (spec?.of === 'tap' ? [spec.layer, spec.reduce] : null));
  };
  const both = (name: string, height: number, width: number) =>
    ['own', 'teacher'].map((layer) => [layer, { name, options: { height, width } }]);

  test.each([
    [[8, 8, 32], [8, 8, 256], both('place-gram', 8, 8)],
    [[4, 4, 32], [8, 8, 16], both('place-gram', 4, 4)],
    [[8, 8, 256], [8, 8, 63], both('unit-channels', 8, 8)],
    [[16, 8, 32], [8, 16, 64], both('place-gram', 8, 8)],
  ])('a student of %j and a teacher of %j: the smaller of N C and N^2 numbers travels', (own, teacher, expected) => {
    expect(reductionOf(own, teacher)).toEqual(expected);
  });
});
