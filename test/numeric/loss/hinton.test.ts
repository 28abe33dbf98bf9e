import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { Prng } from '../../../src/base/prng.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { hinton } from '../../../src/losses/hinton.js';
import { hintonDeclaration } from '../../../src/losses/hinton-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { softTermOf } from '../../support/loss-reference.js';
import { describeLoss, type LossCase, type LossOutcome, runLoss, someLogitCase } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows } from '../../support/plain-tensor.js';

const at = (temperature: number) => (random: Prng, size: number) => ({ ...someLogitCase(random, size, 7), knobs: { temperature } });
const EXTREME: LossCase = {
  classes: 4,
  labels: [1],
  student: [fromRows([[1e4, -1e4, 0, 1e4]])],
  other: [fromRows([[-1e4, 1e4, 1e4, 0]])],
};

describeLoss({
  loss: LOSSES.hinton!,
  golden: 'hinton.json',
  cases: { 'T = 1': at(1), 'T = 4': at(4), 'T = .5': at(0.5) },
  reference({ knobs, student: [own], other: [teacher] }) {
    const targets = rows(teacher as Plain);
    return rows(own as Plain).reduce((sum, row, b) => sum + softTermOf(row, targets[b]!, knobs?.temperature ?? 4), 0);
  },
  extremes: { 'logits of 1e4': EXTREME, 'logits of 1e4 at T = 1': { ...EXTREME, knobs: { temperature: 1 } } },
});

/** One row each. */
function softTerm(own: readonly (readonly number[])[], teacher: readonly (readonly number[])[], temperature: number): LossOutcome {
  const call = { classes: own[0]!.length, labels: own.map(() => 0), student: [fromRows(own)], other: [fromRows(teacher)] };
  return runLoss({ declaration: hintonDeclaration, method: hinton }, { ...call, knobs: { temperature } });
}

describeEachEngine(() => {
  describe('by hand', () => {
    test('T = 2: teacher (.8, .2), student (.5, .5), so 4 KL, and the gradient is T (p_s - p_t)', () => {
      const { sum, count, gradients } = softTerm([[0, 0]], [[2 * Math.log(4), 0]], 2);
      expect(sum).toBeCloseTo(4 * (0.8 * Math.log(0.8 / 0.5) + 0.2 * Math.log(0.2 / 0.5)), 5);
      expect(count).toBe(1);
      expect(gradients[0]![0]).toBeCloseTo(-0.6, 6);
      expect(gradients[0]![1]).toBeCloseTo(0.6, 6);
    });

    test('it is the KL from the teacher to the student, not the other way round', () => {
      const { sum } = softTerm([[0, 0]], [[Math.log(4), 0]], 1);
      const reversed = 0.5 * Math.log(0.5 / 0.8) + 0.5 * Math.log(0.5 / 0.2);
      expect(Math.abs(sum - reversed)).toBeGreaterThan(0.02);
      expect(sum).toBeCloseTo(0.192745, 5);
    });
  });

  test('T^2 keeps the size of the gradient: at high T it tends to (z_s - z_t) / K for logits of mean 0', () => {
    const own = [
      [1, -3, 2],
      [0.5, 0.25, -0.75],
    ];
    const teacher = [
      [-2, 1, 1],
      [3, -1, -2],
    ];
    const { gradients } = softTerm(own, teacher, 1000);
    const limit = own.flatMap((row, b) => row.map((z, k) => (z - teacher[b]![k]!) / 3));
    // 1/T of it without the factor T^2.
    gradients[0]!.forEach((value, i) => {
      expect(Math.abs(value - limit[i]!)).toBeLessThan(0.01);
    });
    expect(Math.max(...limit)).toBeGreaterThan(0.2);
  });

  test('it is 0, with no gradient, when the student says what the teacher says', () => {
    const logits = [[2, -1, 0.5, 3]];
    const { sum, gradients } = softTerm(logits, logits, 3);
    expect(Math.abs(sum)).toBeLessThan(1e-6);
    expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
  });

  test('no gradient flows to the teacher', () => {
    tf.tidy(() => {
      const [teacher, logits] = [tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[0, 1, 0]])];
      const labels = { class_B: tf.tensor1d([0], 'int32'), mixed: null };
      const settings = { taps: [], weights: [], constants: {} };
      const inputs = { labels, classes: 3, student: [logits], other: [teacher], adapters: {}, settings };
      const sum = () => hinton.sum(inputs, { temperature: tf.scalar(2) }).sum;
      const { grads } = tf.engine().gradients<tf.Tensor>(sum, [logits, teacher], undefined, true);
      expect(grads.map((gradient) => gradient !== undefined)).toEqual([true, false]);
    });
  });
});
