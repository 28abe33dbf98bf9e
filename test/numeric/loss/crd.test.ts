import { describe, expect, test } from 'vitest';
import type { Prng } from '../../../src/base/prng.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { crd } from '../../../src/losses/crd.js';
import { crdDeclaration } from '../../../src/losses/crd-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, type LossOutcome, readGolden, runLoss } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows, somePlain } from '../../support/plain-tensor.js';
import { averaged, type FeaturePair, someFeatures } from '../../support/relation-case.js';

const N = 12;
const scalar = (value: number): Plain => ({ shape: [], data: [value] });
const unit = (vector: readonly number[]): number[] => vector.map((x) => x / Math.hypot(...vector));
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, e) => sum + x * b[e]!, 0);

/** Features, and a memory of 12 samples with a Z. */
function contrasts(pairs: readonly FeaturePair[], { constants, ...more }: Partial<LossCase>): (random: Prng, size: number) => LossCase {
  const { width = 0, negatives = 0 } = constants ?? {};
  return (random, size) => {
    const features = someFeatures(pairs, { ...more, constants: { temperature: 0.5, momentum: 0.5, ...constants } })(random, size);
    const someRows = () => fromRows(rows(somePlain(random, [N, width])).map(unit));
    const ids = Array.from({ length: size }, (_, i) => (5 * i + 2) % N);
    return {
      ...features,
      adapters: pairs.flat().flatMap((shape) => [somePlain(random, [shape.at(-1)!, width], 0.5), somePlain(random, [width], 0.5)]),
      memory: pairs.flatMap((_, i) => [someRows(), scalar(9 + i), someRows(), scalar(14 - i)]),
      samples: { ids, drawn: ids.map((id) => Array.from({ length: negatives }, (_, k) => (id + 1 + 2 * k) % N)) },
    };
  };
}

/** The formula of the paper: both directions of each pair. */
function lossOf({ student, other, adapters = [], memory = [], samples, constants = {}, weights = student.map(() => 1) }: LossCase): number {
  const { temperature = 0, negatives = 0 } = constants;
  let sum = 0;
  student.forEach((own, p) => {
    const embedded = [own, other[p]!].map((features, side) => {
      const kernel = rows(adapters[4 * p + 2 * side]!);
      const bias = adapters[4 * p + 2 * side + 1]!.data;
      return averaged(features).map((x) => unit(bias.map((b, e) => b + x.reduce((all, value, c) => all + value * kernel[c]![e]!, 0))));
    });
    embedded.forEach((list, side) => {
      const others = rows(memory[4 * p + 2 * (1 - side)]!);
      const z = memory[4 * p + 2 * side + 1]!.data[0]!;
      list.forEach((embedding, b) => {
        const c = negatives / others.length;
        const likeness = (j: number) => Math.exp(dot(embedding, others[j]!) / temperature) / z;
        const own = likeness(samples!.ids[b]!);
        const drawn = samples!.drawn[b]!.map(likeness);
        sum -= weights[p]! * (Math.log(own / (own + c)) + drawn.reduce((all, value) => all + Math.log(c / (value + c)), 0));
      });
    });
  });
  return sum;
}

/** Three numbers to three, of two samples of four. */
function extreme(own: (i: number) => number, teacher: (i: number) => number, changes: Partial<LossCase> = {}): LossCase {
  const filled = (shape: readonly number[], value: (i: number) => number): Plain => ({
    shape,
    data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
  });
  const some = (i: number): number => ((i * 7) % 5) - 2;
  const adapters = [filled([3, 3], some), filled([3], () => 0), filled([3, 3], some), filled([3], () => 0)];
  const kept = () => [fromRows([1, 2, 3, 4].map((row) => unit([row, 1, -1]))), scalar(4)];
  return {
    classes: 2,
    labels: [0, 0],
    constants: { width: 3, negatives: 2, temperature: 0.02 },
    student: [filled([2, 3], own)],
    other: [filled([2, 3], teacher)],
    adapters,
    memory: [...kept(), ...kept()],
    samples: {
      ids: [0, 3],
      drawn: [
        [1, 2],
        [2, 0],
      ],
    },
    ...changes,
  };
}

describeLoss({
  loss: LOSSES.crd!,
  golden: 'crd.json',
  cases: {
    'vectors of different widths': contrasts([[[4], [3]]], { constants: { width: 3, negatives: 5 } }),
    'maps, and two pairs with weights': contrasts(
      [
        [
          [2, 2, 3],
          [3, 1, 2],
        ],
        [[2], [5]],
      ],
      { constants: { width: 4, negatives: 3, temperature: 0.2 }, weights: [1, 0.5] },
    ),
    'one draw': contrasts([[[2], [2]]], { constants: { width: 2, negatives: 1 } }),
  },
  reference: lossOf,
  extremes: {
    'features of 1e15': extreme(
      (i) => (i - 3) * 1e15,
      (i) => (i - 2) * -1e15,
    ),
    'tiny features': extreme(
      (i) => (i - 3) * 1e-15,
      (i) => (i - 2) * 1e-15,
    ),
    'a student of zeros': extreme(
      () => 0,
      (i) => i,
    ),
    'a teacher of zeros': extreme(
      (i) => i,
      () => 0,
    ),
    'equal samples, and Z from them': extreme(
      (i) => i % 3,
      (i) => i % 3,
      { memory: [...Array(2).keys()].flatMap(() => [fromRows([1, 2, 3, 4].map(() => [1, 0, 0])), scalar(0)]) },
    ),
    'a memory of zeros': extreme(
      (i) => i - 2,
      (i) => i,
      { memory: [...Array(2).keys()].flatMap(() => [fromRows([1, 2, 3, 4].map(() => [0, 0, 0])), scalar(4)]) },
    ),
  },
});

describeEachEngine(() => {
  const run = (call: LossCase): LossOutcome => runLoss({ declaration: crdDeclaration, method: crd }, call);
  const expectKept = ({ memory = {} }: LossOutcome, expected: Readonly<Record<string, readonly number[]>>) => {
    expect(Object.keys(memory).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, values] of Object.entries(expected))
      values.forEach((value, i) => {
        expect(Math.abs(memory[name]![i]! - value), `${name} ${i}`).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
      });
  };

  test.each(readGolden<LossCase & { readonly kept: Readonly<Record<string, readonly number[]>> }>('crd.json').cases.map((call) => [call]))(
    'rows and Z after the step are the golden ones',
    (call) => expectKept(run(call), call.kept),
  );

  describe('by hand', () => {
    /** The identity for an embedding: one sample of two elements, along the first axis for the student, along the second for the teacher. */
    const identity = [fromRows([[1, 0], [0, 1]]), { shape: [2], data: [0, 0] }]; // biome-ignore format: a matrix
    const call: LossCase = {
      classes: 2,
      labels: [0],
      constants: { width: 2, negatives: 2, temperature: 0.5, momentum: 0.5 },
      student: [fromRows([[7, 0]])],
      other: [fromRows([[0, 3]])],
      adapters: [...identity, ...identity],
      // The student's rows, Z of its embedding; the teacher's.
      memory: [fromRows([[0, 1], [1, 0], [0, -1]]), scalar(1.5), fromRows([[1, 0], [0, 1], [-1, 0]]), scalar(3)], // biome-ignore format: matrices
      samples: { ids: [0], drawn: [[1, 2]] },
    };

    test('both directions, with K / N = 2/3 and exp(2 cos) / Z', () => {
      // (1, 0) with the teacher's rows: cosines 1, 0, -1; Z K / N = 1. (0, 1) with the student's: 1, 0, -1; Z K / N = 2.
      const e2 = Math.exp(2);
      const direction = (c: number) => Math.log(1 + c / e2) + Math.log(1 + 1 / c) + Math.log(1 + 1 / (e2 * c));
      const { sum, count } = run(call);
      expect(count).toBe(1);
      expect(sum).toBeCloseTo(direction(1) + direction(2), 5);
    });

    test('the row of the sample moves half way, and has length 1 again; Z stays', () => {
      const half = Math.SQRT1_2;
      expectKept(run(call), {
        'pair1-student-rows': [half, half],
        'pair1-student-z': [1.5],
        'pair1-teacher-rows': [half, half],
        'pair1-teacher-z': [3],
      });
    });

    test('a Z of 0 becomes N times the mean over the sample and its draws', () => {
      const [studentRows, , teacherRows] = call.memory!;
      const { memory, sum } = run({ ...call, memory: [studentRows!, scalar(0), teacherRows!, scalar(0)] });
      const z = Math.exp(2) + 1 + Math.exp(-2);
      expect(memory?.['pair1-student-z']?.[0]).toBeCloseTo(z, 4);
      expect(memory?.['pair1-teacher-z']?.[0]).toBeCloseTo(z, 4);
      const shift = (2 / 3) * z;
      const once = Math.log(1 + shift / Math.exp(2)) + Math.log(1 + 1 / shift) + Math.log(1 + Math.exp(-2) / shift);
      expect(sum).toBeCloseTo(2 * once, 5);
    });
  });
});

describe('the declaration', () => {
  test('asks for averages and vectors, two linear layers, two lists of rows with a Z each, and the draws', () => {
    const constants = { negatives: 9, temperature: 0.07, momentum: 0.5, width: 16 };
    const settings = { taps: [['own', 'teacher']] as const, weights: [1], constants };
    const needs = crdDeclaration.needs(settings, { student: () => [8, 8, 24], other: () => [64] });
    expect(needs).toEqual({
      student: [{ of: 'tap', layer: 'own', reduce: { name: 'pool', options: {} } }],
      other: [{ of: 'tap', layer: 'teacher', reduce: null }],
      adapters: [
        { name: 'pair1-student-kernel', shape: [24, 16], initial: 'kaiming', decays: true },
        { name: 'pair1-student-bias', shape: [16], initial: 0, decays: false },
        { name: 'pair1-teacher-kernel', shape: [64, 16], initial: 'kaiming', decays: true },
        { name: 'pair1-teacher-bias', shape: [16], initial: 0, decays: false },
      ],
      memory: [
        { name: 'pair1-student-rows', width: 16 },
        { name: 'pair1-student-z', width: null },
        { name: 'pair1-teacher-rows', width: 16 },
        { name: 'pair1-teacher-z', width: null },
      ],
      draws: 9,
    });
  });
});
