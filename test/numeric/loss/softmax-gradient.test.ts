/** The parts that losses are made of: the divergence of each sample, and a weight that the gradient takes for a constant. */

import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import type { LossMethod } from '../../../src/losses/loss-method.js';
import { constant, softmaxDivergencePerSample } from '../../../src/losses/softmax-gradient.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { crossEntropyOf, softTermOf } from '../../support/loss-reference.js';
import { describeLoss, type LossCase, someLogitCase } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows } from '../../support/plain-tensor.js';

/**
 * Each sample's KL, by a weight of its own that is a constant: 1 - exp(-CE of the student / CE of the teacher), as Zhou et al. weigh
 * (arXiv 2102.00650). The package has no such loss; it holds both parts, and the suite, to their promise.
 */
const weighted: LossMethod = {
  sum({ student: [own], other: [teacher], labels, classes }) {
    const isLabel_BK = tf.oneHot(labels.class_B, classes, 1, 0, 'float32');
    const entropy = (logits: tf.Tensor) => tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), isLabel_BK), 1));
    const weight_B = constant(tf.sub(1, tf.exp(tf.neg(tf.div(entropy(own!), entropy(teacher!))))));
    const divergence_B = softmaxDivergencePerSample(teacher as tf.Tensor2D, own as tf.Tensor2D);
    return { sum: tf.sum(tf.mul(weight_B, divergence_B)), count: labels.class_B.shape[0] };
  },
};

const EXTREME: LossCase = {
  classes: 3,
  labels: [1],
  student: [fromRows([[1e4, -1e4, 0]])],
  other: [fromRows([[1e4, 0, -1e4]])],
};

describeLoss({
  loss: {
    declaration: {
      paper: '',
      weight: 1,
      knobs: {},
      constants: {},
      takesTaps: false,
      takesOther: true,
      needs: () => ({ student: [LOGITS_SPEC], other: [LOGITS_SPEC], adapters: [] }),
    },
    load: async () => weighted,
  },
  golden: 'weighted-divergence.json',
  cases: {
    'seven classes': (random, size) => someLogitCase(random, size, 7),
    'two classes': (random, size) => someLogitCase(random, size, 2),
  },
  reference({ labels, student: [own], other: [teacher] }, { student: [still] }) {
    const [targets, fixed] = [rows(teacher as Plain), rows(still as Plain)];
    return rows(own as Plain).reduce((sum, row, b) => {
      const ratio = crossEntropyOf(fixed[b]!, labels[b]!) / crossEntropyOf(targets[b]!, labels[b]!);
      return sum + (1 - Math.exp(-ratio)) * softTermOf(row, targets[b]!, 1);
    }, 0);
  },
  extremes: { 'logits of 1e4': EXTREME },
});

describeEachEngine(() => {
  test('a constant has the value, and no gradient: x times itself as a constant has the gradient x', () => {
    tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((x) => tf.sum(tf.mul(x, constant(x))))(tf.tensor1d([3, -2]));
      expect([...value.dataSync()]).toEqual([13]);
      expect([...grad.dataSync()]).toEqual([3, -2]);
    });
  });

  test('the divergences are those of the rows, in their order', () => {
    tf.tidy(() => {
      const [teacher, own] = [
        tf.tensor2d([
          [Math.log(4), 0],
          [0, 0],
        ]),
        tf.zeros([2, 2]) as tf.Tensor2D,
      ];
      const found = softmaxDivergencePerSample(teacher, own).dataSync();
      expect(found[0]).toBeCloseTo(0.192745, 5);
      expect(found[1]).toBeCloseTo(0, 6);
    });
  });
});
