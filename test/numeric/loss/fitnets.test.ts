import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { fitnets } from '../../../src/losses/fitnets.js';
import { fitnetsDeclaration } from '../../../src/losses/fitnets-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';
import { type Plain, somePlain } from '../../support/plain-tensor.js';
import { pooledAt } from '../../support/pooling-reference.js';

type Pairs = Parameters<typeof maps>[0];

/** Random maps, and a regressor for each pair. */
function hints(pairs: Pairs, more: Partial<LossCase> = {}): ReturnType<typeof maps> {
  return (random, size) => ({
    ...maps(pairs, more)(random, size),
    adapters: pairs.flatMap(([[, , own], [, , teacher]]) => [
      somePlain(random, [1, 1, own, teacher], 0.5),
      somePlain(random, [teacher], 0.5),
    ]),
  });
}

/** The mean squared distance of sample b's regressed map from the teacher's. */
function distanceAt({ own, teacher, kernel, bias }: Readonly<Record<'own' | 'teacher' | 'kernel' | 'bias', Plain>>, b: number): number {
  const [height, width] = [1, 2].map((axis) => Math.min(own.shape[axis]!, teacher.shape[axis]!)) as [number, number];
  const [channels, outputs] = [own.shape[3]!, teacher.shape[3]!];
  const [ownAt, teacherAt] = [pooledAt(own, { height, width }), pooledAt(teacher, { height, width })];
  let sum = 0;
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++)
      for (let d = 0; d < outputs; d++) {
        let regressed = bias.data[d]!;
        for (let c = 0; c < channels; c++) regressed += ownAt(b, i, j, c) * kernel.data[c * outputs + d]!;
        sum += (regressed - teacherAt(b, i, j, d)) ** 2;
      }
  return sum / (height * width * outputs);
}

const filled = (value: (i: number) => number): Plain =>
  plainMap(
    2,
    2,
    3,
    Array.from({ length: 24 }, (_, i) => value(i)),
  );
const regressor = (value: number): readonly Plain[] => [
  { shape: [1, 1, 3, 3], data: Array.from({ length: 9 }, () => value) },
  { shape: [3], data: [value, value, value] },
];
const extreme = (own: Plain, teacher: Plain, adapter: number): LossCase => ({
  classes: 2,
  labels: [0, 1],
  student: [own],
  other: [teacher],
  adapters: regressor(adapter),
});

describeLoss({
  loss: LOSSES.fitnets!,
  golden: 'fitnets.json',
  cases: {
    'maps of one size': hints([
      [
        [4, 4, 3],
        [4, 4, 5],
      ],
    ]),
    'other sizes of the teacher, two pairs': hints(
      [
        [
          [4, 6, 2],
          [2, 3, 4],
        ],
        [
          [2, 2, 5],
          [3, 7, 2],
        ],
      ],
      { weights: [1, 0.5] },
    ),
    'one channel and one place': hints([
      [
        [1, 1, 1],
        [3, 3, 1],
      ],
    ]),
  },
  reference({ student, other, labels, adapters = [], weights = student.map(() => 1) }) {
    return student.reduce((total, own, i) => {
      const parts = { own, teacher: other[i]!, kernel: adapters[2 * i]!, bias: adapters[2 * i + 1]! };
      return total + weights[i]! * labels.reduce((sum, _, b) => sum + distanceAt(parts, b), 0);
    }, 0);
  },
  extremes: {
    'activations of 1e6': extreme(
      filled((i) => (i % 3) * 1e6),
      filled((i) => (i % 5) * -1e6),
      1e3,
    ),
    'maps and regressor of zeros': extreme(
      filled(() => 0),
      filled(() => 0),
      0,
    ),
    'tiny activations': extreme(
      filled((i) => i * 1e-30),
      filled((i) => i),
      1e-20,
    ),
  },
});

describeEachEngine(() => {
  const run = (call: Pick<LossCase, 'student' | 'other' | 'adapters'> & Partial<LossCase>) =>
    runLoss({ declaration: fitnetsDeclaration, method: fitnets }, { classes: 2, labels: [0], ...call });

  describe('by hand', () => {
    // Two places of one channel, 1 and 3, by the kernel (2, -1) and the bias (0, 1): (2, 0) and (6, -2). From (1, 1) and (6, 1): (1, 1), (0, 9).
    const student = [plainMap(1, 2, 1, [1, 3])];
    const other = [plainMap(1, 2, 2, [1, 1, 6, 1])];
    const adapters = [
      { shape: [1, 1, 1, 2], data: [2, -1] },
      { shape: [2], data: [0, 1] },
    ];

    test('the mean over all elements of the squared distance: (1 + 1 + 0 + 9) / 4, and its gradient', () => {
      const { sum, count, gradients } = run({ student, other, adapters });
      expect(sum).toBeCloseTo(11 / 4, 5);
      expect(count).toBe(1);
      // Half of the distances ((1, -1), (0, -3)): by the map, times the kernel; by the kernel, times the map; by the bias, their sum.
      const expected = [
        [1.5, 1.5],
        [0.5, -5],
        [0.5, -2],
      ];
      gradients.forEach((gradient, i) => void gradient.forEach((value, j) => void expect(value).toBeCloseTo(expected[i]![j]!, 5)));
      expect(gradients).toHaveLength(3);
    });

    test('the sum of the pairs, by their weights', () => {
      const twice = { student: [...student, ...student], other: [...other, ...other], adapters: [...adapters, ...adapters] };
      expect(run({ ...twice, weights: [2, 4] }).sum).toBeCloseTo((6 * 11) / 4, 4);
    });

    test('of vectors, too', () => {
      const linear = [{ shape: [1, 2], data: [2, -1] }, ...adapters.slice(1)];
      const vectors = { student: [{ shape: [1, 1], data: [3] }], other: [{ shape: [1, 2], data: [6, 1] }], adapters: linear };
      expect(run(vectors).sum).toBeCloseTo(9 / 2, 5);
    });
  });
});

describe('the declaration', () => {
  const settings = { taps: [['own', 'teacher']] as const, weights: [1], constants: {} };
  const needsOf = (own: readonly number[], teacher: readonly number[]) =>
    fitnetsDeclaration.needs(settings, { student: () => own, other: () => teacher });
  const regressorOf = (...kernel: readonly number[]) => [
    { name: 'pair1-kernel', shape: kernel, initial: 'kaiming', decays: true },
    { name: 'pair1-bias', shape: kernel.slice(-1), initial: 0, decays: false },
  ];
  const spec = (layer: string) => ({ of: 'tap', layer, reduce: null });

  test('asks for both maps as they are, and for a regressor, also where the widths are equal', () => {
    const expected = { student: [spec('own')], other: [spec('teacher')] };
    expect(needsOf([8, 8, 16], [8, 8, 64])).toEqual({ ...expected, adapters: regressorOf(1, 1, 16, 64) });
    expect(needsOf([8, 8, 16], [8, 8, 16])).toEqual({ ...expected, adapters: regressorOf(1, 1, 16, 16) });
    expect(needsOf([16], [64])).toEqual({ ...expected, adapters: regressorOf(16, 64) });
  });

  test('has the larger map pooled, on the side that has it', () => {
    const pooled = { name: 'pool-map', options: { height: 8, width: 8 } };
    const expected = { student: [spec('own')], other: [{ ...spec('teacher'), reduce: pooled }] };
    expect(needsOf([8, 8, 16], [16, 16, 64])).toEqual({ ...expected, adapters: regressorOf(1, 1, 16, 64) });
  });

  test('refuses what is neither a map nor a vector, with layers and shapes', () => {
    expect(() => needsOf([4, 16], [4, 64])).toThrow(/"own" \[4, 16\] and "teacher" \[4, 64\] cannot be brought to one shape/);
  });
});
