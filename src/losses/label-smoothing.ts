/**
 * Cross-entropy with labels that are sure to 1 - epsilon only: the target is (1 - epsilon) onehot + epsilon / K
 * (Szegedy et al., arXiv 1512.00567). The teacher that knows nothing. Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { crossEntropyWith } from './cross-entropy.js';
import type { LossMethod } from './loss-method.js';

export const labelSmoothing: LossMethod<{ readonly epsilon: number }> = {
  sum({ logits_BK, labels_B }, { epsilon }) {
    const [size, classes] = logits_BK.shape;
    const rest = epsilon / classes;
    const smoothed_BK = tf.oneHot(labels_B, classes, 1 - epsilon + rest, rest, 'float32') as tf.Tensor2D;
    return { sum: crossEntropyWith(logits_BK, smoothed_BK), count: size };
  },
};
