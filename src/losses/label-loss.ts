/**
 * The loss against the labels: cross-entropy with the target (1 - epsilon) q + epsilon / K, summed over the batch. q is 1 at
 * the label's class; for a mixed image it is the share at its first class and the rest at its second (Zhang et al., arXiv 1710.09412).
 * With epsilon above 0 this is label smoothing (Szegedy et al., arXiv 1512.00567).
 * Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { Labels, LossSum } from './loss-method.js';
import { withSoftmaxGradient } from './softmax-gradient.js';

export interface LabelBatch {
  readonly logits_BK: tf.Tensor2D;
  readonly labels: Labels;
  /** The share of the target that is spread over all classes. */
  readonly epsilon: number;
}

/** The sum over the batch of -sum_k t_k log softmax(z)_k, where t is the target. */
export function labelLoss({ logits_BK, labels, epsilon }: LabelBatch): LossSum {
  const [size, classes] = logits_BK.shape;
  const target_BK = targetOf(labels, classes, epsilon);
  const value = (log_BK: tf.Tensor2D) => tf.neg(tf.sum(tf.mul(target_BK, log_BK))) as tf.Scalar;
  return { sum: withSoftmaxGradient(logits_BK, target_BK, value), count: size };
}

function targetOf({ class_B, mixed }: Labels, classes: number, epsilon: number): tf.Tensor2D {
  const rest = epsilon / classes;
  const oneHot = (labels_B: tf.Tensor1D) => tf.oneHot(labels_B, classes, 1 - epsilon + rest, rest, 'float32') as tf.Tensor2D;
  const first_BK = oneHot(class_B);
  if (mixed === null) return first_BK;
  const share_B1 = tf.expandDims(mixed.share_B, 1);
  return tf.add(tf.mul(first_BK, share_B1), tf.mul(oneHot(mixed.second_B), tf.sub(1, share_B1))) as tf.Tensor2D;
}
