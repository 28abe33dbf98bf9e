import { describe, expect, test } from 'vitest';
import type { Prng } from '../../../src/base/prng.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { lowEntropy, right, weighted, wideMargin } from '../../../src/losses/selective.js';
import {
  lowEntropyDeclaration,
  rightDeclaration,
  weightedDeclaration,
  wideMarginDeclaration,
} from '../../../src/losses/selective-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { crossEntropyOf, softmax, softTermOf } from '../../support/loss-reference.js';
import { describeLoss, type LossCase, type LossSuite, runLoss, someLogitCase } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows } from '../../support/plain-tensor.js';

interface Sample {
  readonly own: readonly number[];
  readonly teacher: readonly number[];
  readonly label: number;
}

/** The sum of T^2 KL over the samples, each by the weight that its student has at the point where the gradient is taken. */
const weighing =
  (weightOf: (sample: Sample, knobs: Readonly<Record<string, number>>) => number): LossSuite['reference'] =>
  ({ knobs = {}, labels, student: [own], other: [teacher] }, { student: [still] }) => {
    const [targets, fixed] = [rows(teacher as Plain), rows(still as Plain)];
    return rows(own as Plain).reduce((sum, row, b) => {
      const weight = weightOf({ own: fixed[b]!, teacher: targets[b]!, label: labels[b]! }, knobs);
      return sum + weight * softTermOf(row, targets[b]!, knobs.temperature ?? Number.NaN);
    }, 0);
  };
const withKnobs =
  (knobs: Readonly<Record<string, number>>, classes: number) =>
  (random: Prng, size: number): LossCase => {
    const { labels, student, other, ...more } = someLogitCase(random, size, classes);
    // The teacher is right of every second sample, and surer of the first.
    const taught = rows(other[0] as Plain).map((row, b) =>
      row.map((z, k) => (b % 2 === 0 && k === labels[b] ? z + 10 : z) / (b % 3 === 2 ? 8 : 1)),
    );
    return { ...more, labels, student, other: [fromRows(taught.map((row) => row.map(Math.fround)))], knobs };
  };

const extremesOf = (knobs: Readonly<Record<string, number>>): LossSuite['extremes'] => {
  const [large, small] = [
    [1e4, -1e4, 0, 1e4],
    [-1e4, 1e4, 1e4, 0],
  ];
  const call = (own: readonly number[], teacher: readonly number[]): LossCase => ({
    classes: 4,
    labels: [1],
    student: [fromRows([own])],
    other: [fromRows([teacher])],
    knobs: { temperature: 1, ...knobs },
  });
  return {
    'logits of 1e4': call(large!, small!),
    'logits of 1e4, the other way round': call(small!, large!),
    'both sure of the label': call([0, 1e4, 0, 0], [0, 1e4, 0, 0]),
    'equal logits': call([0, 0, 0, 0], [0, 0, 0, 0]),
  };
};

describe('selective-weighted', () => {
  describeLoss({
    loss: LOSSES['selective-weighted']!,
    golden: 'selective-weighted.json',
    cases: { 'seven classes': withKnobs({ temperature: 2 }, 7), 'two classes, T = 1': withKnobs({ temperature: 1 }, 2) },
    reference: weighing(({ own, teacher, label }) => 1 - Math.exp(-crossEntropyOf(own, label) / (crossEntropyOf(teacher, label) + 1e-7))),
    extremes: extremesOf({}),
  });
});

describe('selective-right', () => {
  describeLoss({
    loss: LOSSES['selective-right']!,
    golden: 'selective-right.json',
    cases: { 'seven classes': withKnobs({ temperature: 4 }, 7), 'two classes, T = 1': withKnobs({ temperature: 1 }, 2) },
    reference: weighing(({ teacher, label }) => (Math.max(...teacher) === teacher[label] ? 1 : 0)),
    extremes: extremesOf({}),
  });
});

describe('selective-entropy', () => {
  const entropyOf = (p: readonly number[]) => p.reduce((sum, share) => sum - share * Math.log(share), 0);
  describeLoss({
    loss: LOSSES['selective-entropy']!,
    golden: 'selective-entropy.json',
    cases: {
      'half of log K': withKnobs({ temperature: 4, entropy: 0.5 }, 7),
      'all samples': withKnobs({ temperature: 1, entropy: 1 }, 3),
    },
    reference: weighing(({ teacher }, { entropy }) => (entropyOf(softmax(teacher)) <= entropy! * Math.log(teacher.length) ? 1 : 0)),
    extremes: extremesOf({ entropy: 0.5 }),
  });
});

describe('selective-margin', () => {
  const marginOf = (p: readonly number[]) => {
    const [first = 0, second = 0] = [...p].sort((a, b) => b - a);
    return first - second;
  };
  describeLoss({
    loss: LOSSES['selective-margin']!,
    golden: 'selective-margin.json',
    cases: { half: withKnobs({ temperature: 4, margin: 0.5 }, 7), 'all samples': withKnobs({ temperature: 1, margin: 0 }, 3) },
    reference: weighing(({ teacher }, { margin }) => (marginOf(softmax(teacher)) >= margin! ? 1 : 0)),
    extremes: extremesOf({ margin: 0.5 }),
  });
});

describeEachEngine(() => {
  describe('by hand', () => {
    // Teacher (.8, .2), student (.5, .5), T = 1, and the label's class has the cross-entropies log 1.25 and log 2.
    const divergence = 0.8 * Math.log(0.8 / 0.5) + 0.2 * Math.log(0.2 / 0.5);
    const call = (label: number, knobs: Readonly<Record<string, number>> = {}): LossCase => ({
      classes: 2,
      labels: [label],
      student: [fromRows([[0, 0]])],
      other: [fromRows([[Math.log(4), 0]])],
      knobs: { temperature: 1, ...knobs },
    });

    test('weighted: a sample of which the teacher knows much more than the student counts almost whole', () => {
      const { sum, gradients } = runLoss({ declaration: weightedDeclaration, method: weighted }, call(0));
      const weight = 1 - Math.exp(-Math.log(2) / Math.log(1.25));
      expect(weight).toBeGreaterThan(0.9);
      expect(sum).toBeCloseTo(weight * divergence, 5);
      // The gradient of the KL, by the weight: none flows through the weight itself.
      expect(gradients[0]![0]).toBeCloseTo(weight * (0.5 - 0.8), 5);
    });

    test('weighted: a sample of which the teacher knows less counts less', () => {
      const { sum } = runLoss({ declaration: weightedDeclaration, method: weighted }, call(1));
      expect(sum).toBeCloseTo((1 - Math.exp(-Math.log(2) / Math.log(5))) * divergence, 5);
    });

    test.each([
      [0, divergence],
      [1, 0],
    ])('right: with the label %i', (label, expected) => {
      const { sum, count } = runLoss({ declaration: rightDeclaration, method: right }, call(label));
      expect(sum).toBeCloseTo(expected, 5);
      expect(count).toBe(1);
    });

    // The entropy of (.8, .2) is .7219 log 2, their margin .6.
    test.each([
      [0.73, divergence],
      [0.71, 0],
    ])('entropy: with the threshold %f', (entropy, expected) => {
      const { sum } = runLoss({ declaration: lowEntropyDeclaration, method: lowEntropy }, call(1, { entropy }));
      expect(sum).toBeCloseTo(expected, 5);
    });

    test.each([
      [0.59, divergence],
      [0.61, 0],
    ])('margin: with the threshold %f', (margin, expected) => {
      const { sum } = runLoss({ declaration: wideMarginDeclaration, method: wideMargin }, call(1, { margin }));
      expect(sum).toBeCloseTo(expected, 5);
    });

    test('a teacher of equal logits is kept by the thresholds that keep all, and by no others', () => {
      const equal = (knobs: Readonly<Record<string, number>>): LossCase => ({
        ...call(0, knobs),
        classes: 3,
        student: [fromRows([[1, 0, 0]])],
        other: [fromRows([[2, 2, 2]])],
      });
      const sums = [
        runLoss({ declaration: lowEntropyDeclaration, method: lowEntropy }, equal({ entropy: 1 })),
        runLoss({ declaration: wideMarginDeclaration, method: wideMargin }, equal({ margin: 0 })),
        runLoss({ declaration: lowEntropyDeclaration, method: lowEntropy }, equal({ entropy: 0.99 })),
        runLoss({ declaration: wideMarginDeclaration, method: wideMargin }, equal({ margin: 0.01 })),
      ].map(({ sum }) => sum > 0.01);
      expect(sums).toEqual([true, true, false, false]);
    });
  });
});
