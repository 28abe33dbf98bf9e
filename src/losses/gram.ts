/**
 * Gram matrices of feature maps (Gatys, Ecker & Bethge, arXiv 1508.06576: the style of an image): for each pair of taps the mean over
 * all entries of (G_s - G_t)^2, times the pair's weight. G = F^T F / N for a map F of N places is the reduction `channel-gram` at the
 * teacher and at the student alike. Gatys et al. sum over the places; the mean is that of Yim et al. (CVPR 2017) for the flow between
 * two layers, and lets maps of different sizes be compared. Axes: B batch, C channels.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';

export const gram: LossMethod = {
  sum({ student, other, labels, settings: { weights } }) {
    const pairs = student.map((own_BCC, i) => {
      const difference_BCC = tf.squaredDifference(own_BCC, present(other[i], "the teacher's Gram matrix"));
      return tf.mul(tf.sum(tf.mean(difference_BCC, [1, 2])), present(weights[i], 'the weight of a pair'));
    });
    return { sum: tf.addN(pairs) as tf.Scalar, count: labels.class_B.shape[0] };
  },
};
