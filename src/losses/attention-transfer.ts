/**
 * Attention transfer by activation (Zagoruyko & Komodakis, arXiv 1612.03928): for each pair of taps the mean over all
 * entries of (a_s - a_t)^2, times the pair's weight; a is the unit vector that the reduction `attention` makes of a feature
 * map, at the teacher and at the student alike. Axes: B batch, N places of the smaller map.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';

export const attentionTransfer: LossMethod = {
  sum({ student, other, labels, settings: { weights } }) {
    const pairs = student.map((own_BN, i) => {
      const difference_BN = tf.squaredDifference(own_BN, present(other[i], "the teacher's attention map"));
      return tf.mul(tf.sum(tf.mean(difference_BN, 1)), present(weights[i], 'the weight of a pair'));
    });
    return { sum: tf.addN(pairs) as tf.Scalar, count: labels.class_B.shape[0] };
  },
};
