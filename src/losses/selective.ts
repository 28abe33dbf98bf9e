/**
 * Soft terms that weigh each sample: w T^2 KL(softmax(z_t / T) || softmax(z_s / T)), summed over the batch. The weight of a sample,
 * from both models' logits at T = 1, is
 *   - `weighted` (Zhou et al., arXiv 2102.00650): 1 - exp(-CE_s / CE_t), with CE the cross-entropy with the label; a constant of the
 *     gradient, as in the paper;
 *   - `right`: 1 where the label has the teacher's largest logit, otherwise 0;
 *   - `lowEntropy`: 1 where the teacher's entropy is at most a share of log K, otherwise 0;
 *   - `wideMargin`: 1 where the teacher's two largest probabilities differ by at least a margin, otherwise 0.
 * The sum is divided by all samples, those of weight 0 too: fewer samples make a weaker term. The authors of the paper write the
 * soft cross-entropy; the KL has the same gradient, and lies below it by the teacher's own entropy. The label of an image that is
 * mixed of two is that of the first. Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod, TermInputs } from './loss-method.js';
import { constant, softmaxDivergencePerSample } from './softmax-gradient.js';

/** The number that the authors' code adds to the teacher's cross-entropy, which is 0 where the teacher is sure of the label in all digits. */
const LEAST_CROSS_ENTROPY = 1e-7;

type Knobs = Readonly<Record<string, tf.Scalar>>;

/** The facts that weigh a sample. */
interface Sample {
  readonly own_BK: tf.Tensor2D;
  readonly teacher_BK: tf.Tensor2D;
  /** 1 at the label. */
  readonly isLabel_BK: tf.Tensor2D;
}

/** The weights of Zhou et al. */
export const weighted: LossMethod = weighing(({ own_BK, teacher_BK, isLabel_BK }) => {
  const crossEntropy = (logits_BK: tf.Tensor2D) => tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits_BK), isLabel_BK), 1));
  const ratio_B = tf.div(crossEntropy(own_BK), tf.add(crossEntropy(teacher_BK), LEAST_CROSS_ENTROPY));
  return constant(tf.sub(1, tf.exp(tf.neg(ratio_B))));
});

/** The samples that the teacher gets right. */
export const right: LossMethod = weighing(({ teacher_BK, isLabel_BK }) => {
  const label_B = tf.sum(tf.mul(teacher_BK, isLabel_BK), 1);
  return tf.greaterEqual(label_B, tf.max(teacher_BK, 1));
});

/** The samples about which the teacher's distribution has little entropy. */
export const lowEntropy: LossMethod = weighing(({ teacher_BK }, knobs) => {
  const log_BK = tf.logSoftmax(teacher_BK);
  const entropy_B = tf.neg(tf.sum(tf.mul(tf.exp(log_BK), log_BK), 1));
  // Rounding may lift the entropy of equal logits above log K, which the threshold 1 must keep.
  const share_B = tf.minimum(tf.div(entropy_B, Math.log(teacher_BK.shape[1])), 1);
  return tf.lessEqual(share_B, present(knobs.entropy, 'the entropy'));
});

/** The samples of which the teacher prefers one class clearly. */
export const wideMargin: LossMethod = weighing(({ teacher_BK }, knobs) => {
  const probability_BK = tf.softmax(teacher_BK);
  const isFirst_BK = tf.oneHot(tf.argMax(teacher_BK, 1) as tf.Tensor1D, teacher_BK.shape[1], 1, 0, 'float32');
  const first_B = tf.max(probability_BK, 1);
  const second_B = tf.max(tf.mul(probability_BK, tf.sub(1, isFirst_BK)), 1);
  return tf.greaterEqual(tf.sub(first_B, second_B), present(knobs.margin, 'the margin'));
});

/** The soft term with these weights, [B]: numbers, or booleans. */
function weighing(weightOf: (sample: Sample, knobs: Knobs) => tf.Tensor): LossMethod {
  return {
    sum({ student, other, labels, classes }: TermInputs, knobs) {
      const own_BK = present(student[0], 'logits') as tf.Tensor2D;
      const teacher_BK = present(other[0], 'logits') as tf.Tensor2D;
      const isLabel_BK = tf.oneHot(labels.class_B, classes, 1, 0, 'float32') as tf.Tensor2D;
      const weight_B = tf.cast(weightOf({ own_BK, teacher_BK, isLabel_BK }, knobs), 'float32');
      const temperature = present(knobs.temperature, 'the temperature');
      const soften = (logits_BK: tf.Tensor2D) => tf.div(logits_BK, temperature) as tf.Tensor2D;
      const divergence_B = softmaxDivergencePerSample(soften(teacher_BK), soften(own_BK));
      const sum = tf.sum(tf.mul(divergence_B, weight_B));
      return { sum: tf.mul(sum, tf.square(temperature)) as tf.Scalar, count: labels.class_B.shape[0] };
    },
  };
}
