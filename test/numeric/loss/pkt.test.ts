import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { pkt } from '../../../src/losses/pkt.js';
import { pktDeclaration } from '../../../src/losses/pkt-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { fromRows, type Plain } from '../../support/plain-tensor.js';
import { averaged, EXTREME_FEATURES, someFeatures } from '../../support/relation-case.js';

const EPSILON = 1e-7;

/** The probability of each neighbour of each sample, row by row. */
function neighboursOf(features: Plain, width: number): number[] {
  const list = averaged(features);
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, n) => sum + value * b[n]!, 0);
  const squared = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, n) => sum + (value - b[n]!) ** 2, 0);
  const total = list.flatMap((a) => list.map((b) => squared(a, b))).reduce((sum, value) => sum + value, 0);
  const unit = width * (total / (list.length * (list.length - 1)));
  return list.flatMap((a) => {
    const row = list.map((b) => (width === 0 ? (1 + dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))) / 2 : Math.exp(-squared(a, b) / unit)));
    const sum = row.reduce((all, value) => all + value, 0);
    return row.map((value) => value / sum);
  });
}

describeLoss({
  loss: LOSSES.pkt!,
  golden: 'pkt.json',
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
      { weights: [100, 50] },
    ),
    'the weight of the paper': someFeatures([[[6], [8]]], { weights: [30000] }),
    'the Gaussian kernel': someFeatures([[[4], [3]]], { constants: { width: 1 }, weights: [100] }),
    'a narrow Gaussian kernel': someFeatures([[[3], [3]]], { constants: { width: 0.3 }, weights: [100] }),
  },
  reference({ student, other, weights = student.map(() => 1), constants = {}, labels }) {
    const { width = 0 } = constants;
    return student.reduce((sum, own, i) => {
      const [q, p] = [neighboursOf(own, width), neighboursOf(other[i]!, width)];
      const total = p.reduce((all, value, j) => all + value * Math.log((value + EPSILON) / (q[j]! + EPSILON)), 0);
      return sum + (weights[i]! * labels.length * total) / p.length;
    }, 0);
  },
  extremes: {
    ...EXTREME_FEATURES,
    ...Object.fromEntries(
      Object.entries(EXTREME_FEATURES).map(([name, call]) => [`${name}, Gaussian`, { ...call, constants: { width: 0.01 } }]),
    ),
  },
});

describeEachEngine(() => {
  const run = (own: readonly (readonly number[])[], teacher: readonly (readonly number[])[], more: Partial<LossCase> = {}) =>
    runLoss(
      { declaration: pktDeclaration, method: pkt },
      { classes: 2, labels: own.map(() => 0), student: [fromRows(own)], other: [fromRows(teacher)], ...more },
    );
  const square = [
    [3, 0],
    [0, 5],
  ];
  const divergence = (p: readonly number[], q: readonly number[]) => p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]!), 0);

  describe('by hand', () => {
    test('the cosine kernel, the mean over all entries', () => {
      // The student has the cosines 1 and 0, so 2/3 and 1/3; the teacher 1 and 1, so 1/2 and 1/2: in both rows.
      const { sum, count } = run(square, [[1], [2]]);
      expect(count).toBe(2);
      expect(sum / count).toBeCloseTo((2 * divergence([1 / 2, 1 / 2], [2 / 3, 1 / 3])) / 4, 6);
    });

    test('the divergence is from the teacher: opposite samples of the teacher are no neighbours', () => {
      // The teacher has the cosines 1 and -1, so 1 and 0: what is left is 1 log(1 / (2/3)).
      const { sum, count } = run(square, [[1], [-2]]);
      expect(sum / count).toBeCloseTo((2 * Math.log(3 / 2)) / 4, 5);
    });

    test('the Gaussian kernel: distances in units of their mean', () => {
      // Squared distances on a line: 1, 4, 1 with the mean 2; of a corner: 1, 1, 2 with the mean 4/3. Width 1/2.
      const corner = [
        [0, 0],
        [1, 0],
        [0, 1],
      ];
      const { sum, count } = run(corner, [[0], [1], [2]], { constants: { width: 0.5 } });
      const rowOf = (...squares: number[]) => {
        const kernel = squares.map((value) => Math.exp(-value));
        return kernel.map((value) => value / kernel.reduce((all, next) => all + next, 0));
      };
      const line = [rowOf(0, 1, 4), rowOf(1, 0, 1), rowOf(4, 1, 0)];
      const own = [rowOf(0, 1.5, 1.5), rowOf(1.5, 0, 3), rowOf(1.5, 3, 0)];
      expect(sum / count).toBeCloseTo(line.reduce((all, row, i) => all + divergence(row, own[i]!), 0) / 9, 5);
    });

    test('the scale of the features does not count, with either kernel', () => {
      const scaled = square.map((row) => row.map((value) => value * 20));
      for (const width of [0, 1]) expect(Math.abs(run(square, scaled, { constants: { width } }).sum)).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  test('asks for the average of a map, and takes a vector as it is', () => {
    const needs = pktDeclaration.needs(
      { taps: [['own', 'teacher']], weights: [1], constants: { width: 0 } },
      { student: () => [64], other: () => [8, 8, 16] },
    );
    expect(needs).toEqual({
      student: [{ of: 'tap', layer: 'own', reduce: null }],
      other: [{ of: 'tap', layer: 'teacher', reduce: { name: 'pool', options: {} } }],
      adapters: [],
    });
  });
});
