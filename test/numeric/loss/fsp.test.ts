import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { fsp } from '../../../src/losses/fsp.js';
import { fspDeclaration } from '../../../src/losses/fsp-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';
import type { Plain } from '../../support/plain-tensor.js';
import { pooledAt } from '../../support/pooling-reference.js';

/** The flow of sample b from channel c of the first map to channel d of the second. */
function flowAt(from: Plain, to: Plain, b: number): (c: number, d: number) => number {
  const [height, width] = [1, 2].map((axis) => Math.min(from.shape[axis]!, to.shape[axis]!)) as [number, number];
  const [first, second] = [pooledAt(from, { height, width }), pooledAt(to, { height, width })];
  return (c, d) => {
    let sum = 0;
    for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) sum += first(b, i, j, c) * second(b, i, j, d);
    return sum / (height * width);
  };
}

const filled = (height: number, channels: number, value: (i: number) => number): Plain =>
  plainMap(
    height,
    2,
    channels,
    Array.from({ length: 4 * height * channels }, (_, i) => value(i)),
  );
const extreme = (own: (i: number) => number, teacher: (i: number) => number): LossCase => ({
  classes: 2,
  labels: [0, 1],
  student: [filled(4, 3, own), filled(2, 2, own)],
  other: [filled(2, 3, teacher), filled(2, 2, teacher)],
});

describeLoss({
  loss: LOSSES.fsp!,
  golden: 'fsp.json',
  cases: {
    'maps of one size': maps([
      [
        [4, 4, 3],
        [4, 4, 3],
      ],
      [
        [4, 4, 2],
        [4, 4, 2],
      ],
    ]),
    'two flows between maps of other sizes': maps(
      [
        [
          [4, 6, 2],
          [2, 3, 2],
        ],
        [
          [3, 2, 4],
          [5, 3, 4],
        ],
        [
          [2, 3, 1],
          [7, 3, 1],
        ],
        [
          [4, 5, 3],
          [1, 1, 3],
        ],
      ],
      { weights: [1, 0.5] },
    ),
    'one channel and one place': maps([
      [
        [1, 1, 1],
        [3, 3, 1],
      ],
      [
        [2, 2, 1],
        [1, 1, 1],
      ],
    ]),
  },
  reference({ student, other, labels, weights = student.slice(student.length / 2).map(() => 1) }) {
    return weights.reduce((total, weight, i) => {
      const [from, to, otherFrom, otherTo] = [student[2 * i]!, student[2 * i + 1]!, other[2 * i]!, other[2 * i + 1]!];
      const [channels, laterChannels] = [from.shape[3]!, to.shape[3]!];
      let sum = 0;
      for (let b = 0; b < labels.length; b++) {
        const [own, teacher] = [flowAt(from, to, b), flowAt(otherFrom, otherTo, b)];
        for (let c = 0; c < channels; c++) for (let d = 0; d < laterChannels; d++) sum += (own(c, d) - teacher(c, d)) ** 2;
      }
      return total + (weight * sum) / (channels * laterChannels);
    }, 0);
  },
  extremes: {
    'activations of 1e4': extreme(
      (i) => (i % 3) * 1e4,
      (i) => (i % 5) * -1e4,
    ),
    'maps of zeros': extreme(
      () => 0,
      () => 0,
    ),
    'tiny activations': extreme(
      (i) => i * 1e-20,
      (i) => i,
    ),
  },
});

describeEachEngine(() => {
  const run = (student: readonly Plain[], other: readonly Plain[], more: Partial<LossCase> = {}) =>
    runLoss({ declaration: fspDeclaration, method: fsp }, { classes: 2, labels: [0], student, other, ...more });

  describe('by hand', () => {
    // Two places of two channels, (1, 2) and (3, 0), and one channel, 2 and 4: the flow is ((1 2 + 3 4) / 2, (2 2 + 0 4) / 2) = (7, 2).
    const own = [plainMap(1, 2, 2, [1, 2, 3, 0]), plainMap(1, 2, 1, [2, 4])];
    // One place, (1, 1) and 3: the flow is (3, 3).
    const teacher = [plainMap(1, 1, 2, [1, 1]), plainMap(1, 1, 1, [3])];

    test('the mean over the entries of the squared distance: (16 + 1) / 2', () => {
      const { sum, count } = run(own, teacher);
      expect(sum).toBeCloseTo(17 / 2, 5);
      expect(count).toBe(1);
    });

    test('the larger map of a flow is pooled to the smaller: (2, 1) 3 = (6, 3)', () => {
      expect(run([own[0]!, teacher[1]!], teacher).sum).toBeCloseTo(9 / 2, 5);
    });

    test('the sum of the flows, by their weights', () => {
      expect(run([...own, ...teacher], [...teacher, ...own], { weights: [2, 4] }).sum).toBeCloseTo((6 * 17) / 2, 4);
    });

    test('a flow does not see the sign that both of its layers change', () => {
      const negative = own.map(({ shape, data }) => ({ shape, data: data.map((value) => -value) }));
      const { sum, gradients } = run(own, negative);
      expect(Math.abs(sum)).toBeLessThan(1e-10);
      expect(Math.max(...gradients.flat().map(Math.abs))).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  const flows = [
    [
      ['own1', 'own2'],
      ['first', 'second'],
    ],
  ] as const;
  const needsOf = (shapes: Readonly<Record<string, readonly number[]>>) => {
    const of = (layer: string) => shapes[layer]!;
    return fspDeclaration.needs({ taps: [], flows, weights: [1], constants: {} }, { student: of, other: of });
  };

  test('asks both sides for the matrix between their layers, of maps of any size', () => {
    expect(needsOf({ own1: [8, 6, 16], own2: [4, 3, 32], first: [4, 12, 16], second: [5, 5, 32] })).toEqual({
      student: [{ of: 'flow', from: 'own1', to: 'own2' }],
      other: [{ of: 'flow', from: 'first', to: 'second' }],
      adapters: [],
    });
  });

  test('refuses flows of different numbers of channels, with layers and shapes', () => {
    expect(() => needsOf({ own1: [8, 8, 16], own2: [4, 4, 32], first: [8, 8, 16], second: [4, 4, 64] })).toThrow(
      /the student's flow has "own1" \[8, 8, 16\] to "own2" \[4, 4, 32\], but the teacher's "first" \[8, 8, 16\] to "second" \[4, 4, 64\]\. Name layers/,
    );
  });

  test('refuses a layer that puts out no map', () => {
    expect(() => needsOf({ own1: [8, 8, 16], own2: [32], first: [8, 8, 16], second: [32] })).toThrow(
      'the loss takes feature maps, and the layer "own2" puts out [32]',
    );
  });
});
