/**
 * The flow of solution procedure (Yim et al., CVPR 2017): for each pair of flows the mean over all entries of (G_s - G_t)^2, times the
 * pair's weight. G = F^T H / N for the maps F and H of two layers of one model, of N places (src/nn/flow.ts). The paper sums over the
 * entries, pools maps by their maximum, and trains by this loss first and by the labels after it; the mean, and pooling by
 * averages, are those of RepDistiller, and so is the weight. Axes: B batch, C and D the channels of the two layers.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';

export const fsp: LossMethod = {
  sum({ student, other, labels, settings: { weights } }) {
    const flows = student.map((own_BCD, i) => {
      const difference_BCD = tf.squaredDifference(own_BCD, present(other[i], "the teacher's flow"));
      return tf.mul(tf.sum(tf.mean(difference_BCD, [1, 2])), present(weights[i], 'the weight of a pair'));
    });
    return { sum: tf.addN(flows) as tf.Scalar, count: labels.class_B.shape[0] };
  },
};
