import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { rkd } from '../../../src/losses/rkd.js';
import { rkdDeclaration } from '../../../src/losses/rkd-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { fromRows, type Plain } from '../../support/plain-tensor.js';
import { averaged, EXTREME_FEATURES, someFeatures } from '../../support/relation-case.js';

const huber = (x: number): number => (Math.abs(x) <= 1 ? x ** 2 / 2 : Math.abs(x) - 0.5);
const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;

/** The distances of all pairs over their mean, and the cosines of all angles. */
function geometryOf(features: Plain): { readonly distances: number[]; readonly angles: number[] } {
  const list = averaged(features);
  const between = (a: readonly number[], b: readonly number[]) => b.map((value, n) => value - a[n]!);
  const lengthOf = (a: readonly number[], b: readonly number[]) => Math.hypot(...between(a, b));
  const distances = list.flatMap((a) => list.map((b) => lengthOf(a, b)));
  const unit = distances.reduce((sum, value) => sum + value, 0) / (list.length * (list.length - 1));
  const cosine = (at: number[], a: number[], b: number[]): number => {
    const dot = between(at, a).reduce((sum, value, n) => sum + value * between(at, b)[n]!, 0);
    return at === a || at === b ? 0 : dot / (lengthOf(at, a) * lengthOf(at, b));
  };
  return {
    distances: distances.map((value) => value / unit),
    angles: list.flatMap((at) => list.flatMap((a) => list.map((b) => cosine(at, a, b)))),
  };
}

function meanHuber(own: readonly number[], teacher: readonly number[]): number {
  return mean(own.map((value, i) => huber(value - teacher[i]!)));
}

describeLoss({
  loss: LOSSES.rkd!,
  golden: 'rkd.json',
  cases: {
    'vectors of different widths': someFeatures([[[4], [3]]]),
    'maps, and two pairs with weights': someFeatures(
      [
        [
          [3, 2, 3],
          [2, 4, 2],
        ],
        [[2, 2, 3], [5]],
      ],
      { weights: [1, 0.5] },
    ),
    'distances alone': someFeatures([[[6], [2]]], { knobs: { distance: 2, angle: 0 } }),
    'angles alone': someFeatures([[[3], [3]]], { knobs: { distance: 0, angle: 3 } }),
  },
  reference({ student, other, weights = student.map(() => 1), knobs = {}, labels }) {
    const { distance = 25, angle = 50 } = knobs;
    return student.reduce((sum, own, i) => {
      const [a, b] = [geometryOf(own), geometryOf(other[i]!)];
      const value = distance * meanHuber(a.distances, b.distances) + angle * meanHuber(a.angles, b.angles);
      return sum + weights[i]! * labels.length * value;
    }, 0);
  },
  extremes: EXTREME_FEATURES,
});

describeEachEngine(() => {
  const run = (own: readonly (readonly number[])[], teacher: readonly (readonly number[])[], more: Partial<LossCase> = {}) =>
    runLoss(
      { declaration: rkdDeclaration, method: rkd },
      { classes: 2, labels: own.map(() => 0), student: [fromRows(own)], other: [fromRows(teacher)], ...more },
    );
  /** A right angle at the first sample, and three samples in a line. */
  const corner = [
    [0, 0],
    [1, 0],
    [0, 1],
  ];
  const line = [[0], [1], [2]];

  describe('by hand', () => {
    test('distances over their mean', () => {
      // The line has 1, 2, 1 with the mean 4/3; the corner has 1, 1, sqrt 2 with the mean (2 + sqrt 2) / 3. Each pair counts twice in 9 entries.
      const { sum, count } = run(corner, line, { knobs: { distance: 9, angle: 0 } });
      const unit = (2 + Math.SQRT2) / 3;
      const [first, second, third] = [1 / unit - 0.75, 1 / unit - 1.5, Math.SQRT2 / unit - 0.75];
      expect(count).toBe(3);
      expect(sum / count).toBeCloseTo(first ** 2 + second ** 2 + third ** 2, 5);
    });

    test('angles: the Huber function is linear beyond 1', () => {
      // Cosines, each twice in 27 entries: of the corner 0, 1/sqrt 2, 1/sqrt 2; of the line 1 at its first sample, -1 at its second, 1 at its third.
      const { sum, count } = run(corner, line, { knobs: { distance: 0, angle: 27 } });
      const cosine = Math.SQRT1_2;
      expect(sum / count).toBeCloseTo(2 * (0.5 + (1 + cosine - 0.5) + (1 - cosine) ** 2 / 2), 5);
    });

    test('neither scale, nor place, nor a turn of the embedding counts', () => {
      const { sum, gradients } = run(corner, [
        [7, 7],
        [7, 17],
        [-3, 7],
      ]);
      expect(Math.abs(sum)).toBeLessThan(1e-8);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-5);
    });

    test('two samples have the loss 0', () => {
      const { sum, gradients } = run([[1], [5]], [[2], [3]]);
      expect(Math.abs(sum)).toBeLessThan(1e-6);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  test('asks for the average of a map, and takes a vector as it is', () => {
    const needs = rkdDeclaration.needs(
      { taps: [['own', 'teacher']], weights: [1], constants: {} },
      { student: () => [8, 8, 16], other: () => [64] },
    );
    expect(needs).toEqual({
      student: [{ of: 'tap', layer: 'own', reduce: { name: 'pool', options: {} } }],
      other: [{ of: 'tap', layer: 'teacher', reduce: null }],
      adapters: [],
    });
  });
});
