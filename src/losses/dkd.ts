/**
 * Decoupled distillation (Zhao et al., arXiv 2203.08679): T^2 (alpha TCKD + beta NCKD), summed over the batch. TCKD is the
 * KL of two classes, the label's and all others together; NCKD is the KL among the other classes alone. The teacher's
 * distributions come first in both. The label of an image that is mixed of two is that of the first.
 * Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';
import { softmaxDivergence } from './softmax-gradient.js';

/** The logit that replaces the label's: its share in a softmax is exactly 0, beside logits of any size that occurs. */
const ABSENT = -1e30;

export const dkd: LossMethod = {
  sum({ student, other, labels, classes }, knobs) {
    const temperature = present(knobs.temperature, 'the temperature');
    const isLabel_BK = tf.oneHot(labels.class_B, classes, 1, 0, 'float32') as tf.Tensor2D;
    const partsOf = (logits: tf.Tensor | undefined) => decouple(tf.div(present(logits, 'logits'), temperature) as tf.Tensor2D, isLabel_BK);
    const [own, teacher] = [partsOf(student[0]), partsOf(other[0])];
    const target = tf.mul(softmaxDivergence(teacher.label_B2, own.label_B2), present(knobs.alpha, 'alpha'));
    const others = tf.mul(softmaxDivergence(teacher.others_BK, own.others_BK), present(knobs.beta, 'beta'));
    return { sum: tf.mul(tf.add(target, others), tf.square(temperature)) as tf.Scalar, count: labels.class_B.shape[0] };
  },
};

interface DecoupledLogits {
  /** The label's class, and all others as one class. */
  readonly label_B2: tf.Tensor2D;
  /** The other classes, with a share of 0 at the label. */
  readonly others_BK: tf.Tensor2D;
}

function decouple(logits_BK: tf.Tensor2D, isLabel_BK: tf.Tensor2D): DecoupledLogits {
  const others_BK = tf.add(tf.mul(logits_BK, tf.sub(1, isLabel_BK)), tf.mul(isLabel_BK, ABSENT)) as tf.Tensor2D;
  const label_B1 = tf.sum(tf.mul(logits_BK, isLabel_BK), 1, true) as tf.Tensor2D;
  return { label_B2: tf.concat([label_B1, tf.logSumExp(others_BK, 1, true) as tf.Tensor2D], 1), others_BK };
}
