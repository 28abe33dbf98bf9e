import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { gram } from '../../../src/losses/gram.js';
import { gramDeclaration } from '../../../src/losses/gram-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';
import type { Plain } from '../../support/plain-tensor.js';

/** The mean over the places of the product of the channels c and d of sample b. */
function gramAt({ shape: [, height = 0, width = 0, channels = 0], data }: Plain, b: number, [c, d]: readonly [number, number]): number {
  const places = height * width;
  let sum = 0;
  for (let n = 0; n < places; n++) {
    const start = (b * places + n) * channels;
    sum += data[start + c]! * data[start + d]!;
  }
  return sum / places;
}

const filled = (value: (i: number) => number): Plain =>
  plainMap(
    2,
    2,
    3,
    Array.from({ length: 24 }, (_, i) => value(i)),
  );
const extreme = (own: Plain, teacher: Plain): LossCase => ({ classes: 2, labels: [0, 1], student: [own], other: [teacher] });

describeLoss({
  loss: LOSSES.gram!,
  golden: 'gram.json',
  cases: {
    'maps of one size': maps([
      [
        [4, 4, 3],
        [4, 4, 3],
      ],
    ]),
    'other sizes of the teacher, two pairs': maps(
      [
        [
          [4, 6, 2],
          [2, 3, 2],
        ],
        [
          [2, 2, 5],
          [3, 7, 5],
        ],
      ],
      { weights: [1, 0.5] },
    ),
    'one channel and one place': maps([
      [
        [1, 1, 1],
        [3, 3, 1],
      ],
    ]),
  },
  reference({ student, other, labels, weights = student.map(() => 1) }) {
    return student.reduce((total, own, i) => {
      const channels = own.shape[3]!;
      let sum = 0;
      for (let b = 0; b < labels.length; b++)
        for (let c = 0; c < channels; c++)
          for (let d = 0; d < channels; d++) sum += (gramAt(own, b, [c, d]) - gramAt(other[i]!, b, [c, d])) ** 2;
      return total + (weights[i]! * sum) / channels ** 2;
    }, 0);
  },
  extremes: {
    'activations of 1e4': extreme(
      filled((i) => (i % 3) * 1e4),
      filled((i) => (i % 5) * -1e4),
    ),
    'maps of zeros': extreme(
      filled(() => 0),
      filled(() => 0),
    ),
    'tiny activations': extreme(
      filled((i) => i * 1e-20),
      filled((i) => i),
    ),
  },
});

describeEachEngine(() => {
  const run = (student: readonly Plain[], other: readonly Plain[], more: Partial<LossCase> = {}) =>
    runLoss({ declaration: gramDeclaration, method: gram }, { classes: 2, labels: [0], student, other, ...more });

  describe('by hand', () => {
    // Two places of two channels, (1, 2) and (3, 0): the matrix is ((5, 1), (1, 2)). One place (1, 1): all entries are 1.
    const own = plainMap(1, 2, 2, [1, 2, 3, 0]);
    const teacher = plainMap(1, 1, 2, [1, 1]);

    test('the mean over the entries of the squared distance: (16 + 0 + 0 + 1) / 4', () => {
      const { sum, count } = run([own], [teacher]);
      expect(sum).toBeCloseTo(17 / 4, 5);
      expect(count).toBe(1);
    });

    test('the sum of the pairs, by their weights', () => {
      expect(run([own, teacher], [teacher, own], { weights: [2, 4] }).sum).toBeCloseTo((6 * 17) / 4, 4);
    });

    test('the order of the places does not matter, and neither does the sign of the map', () => {
      const { sum, gradients } = run([own], [plainMap(2, 1, 2, [-3, 0, -1, -2])]);
      expect(Math.abs(sum)).toBeLessThan(1e-10);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  const settings = { taps: [['own', 'teacher']] as const, weights: [1], constants: {} };
  const needsOf = (own: readonly number[], teacher: readonly number[]) =>
    gramDeclaration.needs(settings, { student: () => own, other: () => teacher });

  test('asks both sides for their matrices, of maps of any size', () => {
    const reduce = { name: 'channel-gram', options: {} };
    expect(needsOf([8, 6, 16], [4, 12, 16])).toEqual({
      student: [{ of: 'tap', layer: 'own', reduce }],
      other: [{ of: 'tap', layer: 'teacher', reduce }],
      adapters: [],
    });
  });

  test('refuses layers of different numbers of channels, by name', () => {
    expect(() => needsOf([8, 8, 16], [8, 8, 64])).toThrow(/the layer "own" has 16, but "teacher" 64\. Tap layers with as many channels/);
  });
});
