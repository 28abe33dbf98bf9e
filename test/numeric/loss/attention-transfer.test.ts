import { describe, expect, test } from 'vitest';
import { attentionTransfer } from '../../../src/losses/attention-transfer.js';
import { attentionTransferDeclaration } from '../../../src/losses/attention-transfer-declaration.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { attentionOf } from '../../support/attention-reference.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';
import type { Plain } from '../../support/plain-tensor.js';

const filled = (value: (i: number) => number): Plain =>
  plainMap(
    4,
    4,
    2,
    Array.from({ length: 64 }, (_, i) => value(i)),
  );
const extreme = (own: Plain, teacher: Plain): LossCase => ({ classes: 2, labels: [0, 1], student: [own], other: [teacher] });

describeLoss({
  loss: LOSSES['attention-transfer']!,
  golden: 'attention-transfer.json',
  cases: {
    'maps of one size': maps([
      [
        [4, 4, 3],
        [4, 4, 2],
      ],
    ]),
    'a larger map of the student, two pairs': maps(
      [
        [
          [4, 6, 2],
          [2, 3, 3],
        ],
        [
          [3, 3, 2],
          [3, 3, 4],
        ],
      ],
      { weights: [1, 0.5] },
    ),
    'sizes that do not divide': maps([
      [
        [5, 3, 2],
        [3, 7, 2],
      ],
    ]),
    'p = 3': maps(
      [
        [
          [3, 3, 2],
          [3, 3, 2],
        ],
      ],
      { constants: { p: 3 } },
    ),
  },
  reference({ student, other, weights = student.map(() => 1), constants }) {
    return student.reduce((sum, own, i) => {
      const teacher = other[i]!;
      const size = { height: Math.min(own.shape[1]!, teacher.shape[1]!), width: Math.min(own.shape[2]!, teacher.shape[2]!) };
      const [a, b] = [own, teacher].map((map) => attentionOf(map, { p: constants?.p ?? 2, ...size }));
      return sum + (weights[i]! / (size.height * size.width)) * a!.reduce((total, value, j) => total + (value - b![j]!) ** 2, 0);
    }, 0);
  },
  extremes: {
    'activations of 1e4': extreme(
      filled((i) => (i % 3) * 1e4),
      filled((i) => (i % 5) * -1e4),
    ),
    'a map of zeros': extreme(
      filled(() => 0),
      filled((i) => i),
    ),
    'a teacher of zeros': extreme(
      filled((i) => i),
      filled(() => 0),
    ),
    'tiny activations': extreme(
      filled((i) => i * 1e-8),
      filled((i) => i),
    ),
  },
});

describeEachEngine(() => {
  const run = (student: readonly Plain[], other: readonly Plain[], more: Partial<LossCase> = {}) =>
    runLoss({ declaration: attentionTransferDeclaration, method: attentionTransfer }, { classes: 2, labels: [0], student, other, ...more });

  describe('by hand', () => {
    // One channel of 1x2: (1, 1) has the attention (1, 1) / sqrt 2; (2, 0) has (1, 0). The squared distance is 2 - sqrt 2.
    const own = plainMap(1, 2, 1, [1, 1]);
    const teacher = plainMap(1, 2, 1, [2, 0]);

    test('the mean over the entries of the squared distance between unit vectors', () => {
      const { sum, count } = run([own], [teacher]);
      expect(sum).toBeCloseTo((2 - Math.SQRT2) / 2, 6);
      expect(count).toBe(1);
    });

    test('the sum of the pairs, by their weights', () => {
      expect(run([own, own], [teacher, own], { weights: [3, 5] }).sum).toBeCloseTo((3 * (2 - Math.SQRT2)) / 2, 5);
    });

    test('maps of one direction are equal, however large', () => {
      const { sum, gradients } = run([plainMap(1, 2, 1, [3, 6])], [plainMap(1, 2, 1, [10, -20])]);
      expect(Math.abs(sum)).toBeLessThan(1e-10);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
    });

    test('the larger map is pooled before anything else: means of (1, -1) are 0, and have no attention', () => {
      const { sum } = run([plainMap(1, 4, 1, [1, -1, 2, 2])], [plainMap(1, 2, 1, [0, 7])]);
      expect(Math.abs(sum)).toBeLessThan(1e-10);
    });
  });
});

describe('the declaration', () => {
  const settings = { taps: [['own', 'teacher']] as const, weights: [1], constants: { p: 2 } };
  const needsOf = (own: readonly number[], teacher: readonly number[]) =>
    attentionTransferDeclaration.needs(settings, { student: () => own, other: () => teacher });

  test('asks both sides for attention maps of the smaller size of each axis', () => {
    const reduce = { name: 'attention', options: { p: 2, height: 4, width: 6 } };
    expect(needsOf([8, 6, 16], [4, 12, 64])).toEqual({
      student: [{ of: 'tap', layer: 'own', reduce }],
      other: [{ of: 'tap', layer: 'teacher', reduce }],
      adapters: [],
    });
  });

  test('refuses a layer that puts out no map, by name', () => {
    expect(() => needsOf([8, 8, 16], [64])).toThrow(/takes feature maps, and the layer "teacher" puts out \[64\]\. Tap a convolution/);
  });
});
