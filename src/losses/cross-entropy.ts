/** Cross-entropy with the labels: the sum over the batch of -log softmax(z)[label]. Axes: B batch, K classes. */

import * as tf from '@tensorflow/tfjs-core';
import type { LossMethod } from './loss-method.js';
import { withSoftmaxGradient } from './softmax-gradient.js';

export const crossEntropy: LossMethod<Record<string, never>> = {
  sum({ logits_BK, labels_B }) {
    const [size, classes] = logits_BK.shape;
    return { sum: crossEntropyWith(logits_BK, tf.oneHot(labels_B, classes, 1, 0, 'float32') as tf.Tensor2D), count: size };
  },
};

/** The sum over the batch of -sum_k q_k log softmax(z)_k, with q a constant distribution for each sample. */
export function crossEntropyWith(logits_BK: tf.Tensor2D, distribution_BK: tf.Tensor2D): tf.Scalar {
  return withSoftmaxGradient(
    logits_BK,
    distribution_BK,
    (logProbabilities_BK) => tf.neg(tf.sum(tf.mul(distribution_BK, logProbabilities_BK))) as tf.Scalar,
  );
}
