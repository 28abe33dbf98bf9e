import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import type { TrainingStage } from '../../src/config/schema.js';
import { LOSSES } from '../../src/losses/catalogue.js';
import type { LossBatch, LossSum } from '../../src/losses/loss-method.js';
import { stageLoss } from '../../src/losses/stage-loss.js';
import { describeEachEngine } from '../support/each-engine.js';
import { crossEntropyOf, differences, softTermOf, someLogits } from '../support/loss-reference.js';

type Rows = readonly (readonly number[])[];

interface Sample {
  readonly logits: Rows;
  readonly labels: readonly number[];
  readonly targets?: Rows;
}

/** Value and gradient by the logits, through tfjs. */
function lossOf(
  { logits, labels, targets }: Sample,
  loss: (batch: LossBatch) => LossSum,
): { sum: number; count: number; gradient: number[][] } {
  return tf.tidy(() => {
    const labels_B = tf.tensor1d([...labels], 'int32');
    const targets_BK = targets === undefined ? null : tf.tensor2d(targets.map((row) => [...row]));
    let count = 0;
    const sumOf = (z: tf.Tensor) => {
      const result = loss({ logits_BK: z as tf.Tensor2D, labels_B, targets_BK });
      count = result.count;
      return result.sum;
    };
    const { value, grad } = tf.valueAndGrad(sumOf)(tf.tensor2d(logits.map((row) => [...row])));
    return { sum: value.dataSync()[0] as number, count, gradient: (grad as tf.Tensor2D).arraySync() };
  });
}

function expectClose(found: Rows, expected: Rows, tolerance: number): void {
  expected.forEach((row, b) => {
    row.forEach((value, k) => {
      expect(Math.abs((found[b]?.[k] as number) - value), `[${b}, ${k}]: ${found[b]?.[k]} and ${value}`).toBeLessThan(tolerance);
    });
  });
}

const ce = (batch: LossBatch) => LOSSES['cross-entropy'].sum(batch, {});
const smoothed = (epsilon: number) => (batch: LossBatch) => LOSSES['label-smoothing'].sum(batch, { epsilon });
const soft = (temperature: number) => (batch: LossBatch) => LOSSES.hinton.sum(batch, { temperature: tf.scalar(temperature) });

describeEachEngine(() => {
  byHand();
  lossOfStage();
  goldenNumbers();
  finiteDifferences();
  properties();
});

function byHand(): void {
  describe('by hand', () => {
    test('cross-entropy of equal logits is ln K, and its gradient the share too much or too little', () => {
      const { sum, count, gradient } = lossOf({ logits: [[3, 3, 3, 3]], labels: [2] }, ce);
      expect(sum).toBeCloseTo(Math.log(4), 6);
      expect(count).toBe(1);
      expectClose(gradient, [[0.25, 0.25, -0.75, 0.25]], 1e-7);
    });

    test('label smoothing of logits (ln 3, 0) with epsilon .2: the target is (.9, .1), the prediction (.75, .25)', () => {
      const { sum, gradient } = lossOf({ logits: [[Math.log(3), 0]], labels: [0] }, smoothed(0.2));
      expect(sum).toBeCloseTo(-0.9 * Math.log(0.75) - 0.1 * Math.log(0.25), 6);
      expectClose(gradient, [[-0.15, 0.15]], 1e-6);
    });

    test('the soft term at T = 2: teacher (.8, .2), student (.5, .5), so 4 KL, and the gradient is T (p_s - p_t)', () => {
      const { sum, gradient } = lossOf({ logits: [[0, 0]], labels: [0], targets: [[2 * Math.log(4), 0]] }, soft(2));
      expect(sum).toBeCloseTo(4 * (0.8 * Math.log(0.8 / 0.5) + 0.2 * Math.log(0.2 / 0.5)), 5);
      expectClose(gradient, [[-0.6, 0.6]], 1e-6);
    });

    test('the soft term is the KL from the teacher to the student, not the other way round', () => {
      const { sum } = lossOf({ logits: [[0, 0]], labels: [0], targets: [[Math.log(4), 0]] }, soft(1));
      const reversed = 0.5 * Math.log(0.5 / 0.8) + 0.5 * Math.log(0.5 / 0.2);
      expect(Math.abs(sum - reversed)).toBeGreaterThan(0.02);
      expect(sum).toBeCloseTo(0.192745, 5);
    });
  });
}

// The numbers below come from the papers' formulas in Python's float64, for these inputs.
const GOLDEN: Sample = {
  logits: [
    [1.5, -0.5, 0.25, 2],
    [-1, 0.75, 3.5, -2.25],
    [0.125, 0.5, -0.875, 1.25],
  ],
  labels: [3, 2, 0],
  targets: [
    [0.5, -1.25, 1, 4],
    [0, 2.5, 3, -1],
    [2.75, -0.5, 0.25, 0.75],
  ],
};

const distilStage = (labelSmoothing: number): Pick<TrainingStage, 'kind' | 'loss'> => ({
  kind: 'distil',
  loss: { temperature: 4, alpha: 0.7, labelSmoothing },
});

function lossOfStage(): void {
  describe('the loss of a stage', () => {
    const at = (stage: Pick<TrainingStage, 'kind' | 'loss'>, { temperature, alpha }: { temperature: number; alpha: number }) =>
      lossOf(GOLDEN, (batch) => stageLoss(stage).sum(batch, { temperature: tf.scalar(temperature), alpha: tf.scalar(alpha) }));

    test.each([
      ['alpha weights the soft term, the labels have the rest', 0, 4, 0.7, 2.425543555],
      ['with smoothed labels', 0.1, 4, 0.7, 2.554918555],
      ['alpha 0 is cross-entropy', 0, 4, 0, 2.472647147],
      ['alpha 1 is the soft term', 0, 4, 1, 2.405356301],
      ['the temperature is that of the knobs', 0, 1, 1, 1.825130952],
    ] as const)('distil: %s', (_, smoothing, temperature, alpha, expected) => {
      expect(at(distilStage(smoothing), { temperature, alpha }).sum).toBeCloseTo(expected, 5);
    });

    test('distil: the gradient is that of the weighted terms', () => {
      const hard = lossOf(GOLDEN, ce).gradient;
      const distilled = at(distilStage(0), { temperature: 4, alpha: 0.7 }).gradient;
      const expected = lossOf(GOLDEN, soft(4)).gradient.map((row, b) => row.map((g, k) => 0.7 * g + 0.3 * (hard[b]?.[k] as number)));
      expectClose(distilled, expected, 1e-6);
    });

    test.each([
      [0, 2.472647147],
      [0.1, 2.903897147],
    ])('train: label smoothing %f', (labelSmoothing, expected) => {
      const stage = { kind: 'train', loss: { labelSmoothing } } as const;
      expect(at(stage, { temperature: 1, alpha: 0 }).sum).toBeCloseTo(expected, 5);
      expect(stageLoss(stage).needsTargets).toBe(false);
    });
  });
}

function goldenNumbers(): void {
  describe('golden numbers', () => {
    test.each([
      ['cross-entropy', ce, 2.472647147],
      ['label smoothing .1', smoothed(0.1), 2.903897147],
      ['soft term T = 1', soft(1), 1.825130952],
      ['soft term T = 4', soft(4), 2.405356301],
    ] as const)('%s', (_, loss, expected) => {
      expect(lossOf(GOLDEN, loss).sum).toBeCloseTo(expected, 5);
    });
  });
}

function finiteDifferences(): void {
  describe('value and gradient agree with float64 and finite differences', () => {
    const logits = someLogits(11, 5, 7);
    const targets = someLogits(12, 5, 7);
    const labels = [0, 6, 3, 3, 1];
    const total = (each: (row: readonly number[], b: number) => number) => (rows: readonly number[][]) =>
      rows.reduce((sum, row, b) => sum + each(row, b), 0);

    test.each([
      ['cross-entropy', ce, total((row, b) => crossEntropyOf(row, labels[b] as number))],
      ['label smoothing .1', smoothed(0.1), total((row, b) => crossEntropyOf(row, labels[b] as number, 0.1))],
      ['label smoothing 1', smoothed(1), total((row, b) => crossEntropyOf(row, labels[b] as number, 1))],
      ['soft term T = 1', soft(1), total((row, b) => softTermOf(row, targets[b] as number[], 1))],
      ['soft term T = 4', soft(4), total((row, b) => softTermOf(row, targets[b] as number[], 4))],
      ['soft term T = .5', soft(0.5), total((row, b) => softTermOf(row, targets[b] as number[], 0.5))],
    ] as const)('%s', (_, loss, reference) => {
      const { sum, gradient } = lossOf({ logits, labels, targets }, loss);
      const expected = reference(logits);
      expect(Math.abs(sum - expected)).toBeLessThan(1e-6 * Math.max(1, expected));
      expectClose(gradient, differences(reference, logits), 5e-6);
    });
  });
}

function properties(): void {
  describe('properties', () => {
    const whole: Sample = { logits: someLogits(21, 8, 10), targets: someLogits(22, 8, 10), labels: [0, 1, 2, 3, 4, 5, 6, 9] };

    test.each([
      ['cross-entropy', ce],
      ['label smoothing', smoothed(0.1)],
      ['soft term', soft(4)],
    ] as const)('%s: a batch in four pieces has the sum, the count and the gradient of the whole', (_, loss) => {
      const parts = [0, 2, 4, 6].map((from) =>
        lossOf(
          {
            logits: whole.logits.slice(from, from + 2),
            labels: whole.labels.slice(from, from + 2),
            targets: (whole.targets as Rows).slice(from, from + 2),
          },
          loss,
        ),
      );
      const one = lossOf(whole, loss);
      expect(parts.reduce((sum, part) => sum + part.sum, 0) / one.sum).toBeCloseTo(1, 5);
      expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(one.count);
      expectClose(
        parts.flatMap((part) => part.gradient),
        one.gradient,
        1e-6,
      );
    });

    test.each([
      ['cross-entropy', ce],
      ['label smoothing', smoothed(0.1)],
      ['soft term', soft(4)],
      ['soft term T = 1', soft(1)],
    ] as const)('%s: finite for logits of 1e4 either way', (_, loss) => {
      const extreme = [1e4, -1e4, 0, 1e4];
      const { sum, gradient } = lossOf({ logits: [extreme], labels: [1], targets: [[-1e4, 1e4, 1e4, 0]] }, loss);
      expect(Number.isFinite(sum)).toBe(true);
      expect(gradient.flat().every(Number.isFinite)).toBe(true);
    });

    test('T^2 keeps the size of the gradient: at high T it tends to (z_s - z_t) / K for logits of mean 0', () => {
      const centre = (row: readonly number[]) => row.map((z) => z - row.reduce((a, b) => a + b, 0) / row.length);
      const logits = whole.logits.map(centre);
      const targets = (whole.targets as Rows).map(centre);
      const { gradient } = lossOf({ logits, labels: whole.labels, targets }, soft(1000));
      const limit = logits.map((row, b) => row.map((z, k) => (z - (targets[b]?.[k] as number)) / 10));
      // 1/T of it without the factor T^2.
      expectClose(gradient, limit, 0.01);
      expect(Math.max(...limit.flat())).toBeGreaterThan(0.2);
    });

    test('the soft term is 0, with no gradient, when the student says what the teacher says', () => {
      const { sum, gradient } = lossOf({ ...whole, targets: whole.logits }, soft(3));
      expect(Math.abs(sum)).toBeLessThan(1e-6);
      expect(Math.max(...gradient.flat().map(Math.abs))).toBeLessThan(1e-6);
    });

    test('no gradient flows to the teacher', () => {
      tf.tidy(() => {
        const targets = tf.tensor2d([[1, 2, 3]]);
        const labels_B = tf.tensor1d([0], 'int32');
        const temperature = tf.scalar(2);
        const logits = tf.tensor2d([[0, 1, 0]]);
        const sum = () => LOSSES.hinton.sum({ logits_BK: logits, labels_B, targets_BK: targets }, { temperature }).sum;
        const { grads } = tf.engine().gradients<tf.Tensor>(sum, [logits, targets], undefined, true);
        expect(grads.map((gradient) => gradient !== undefined)).toEqual([true, false]);
      });
    });
  });
}
