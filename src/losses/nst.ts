/**
 * Neuron selectivity transfer (Huang & Wang, arXiv 1707.01219) with the polynomial kernel: for each pair of taps
 * mean K(t, t) + mean K(s, s) - 2 mean K(s, t), K(a, b) = (a . b)^2, the means over all pairs of channels of a sample, times the
 * pair's weight. The spatial map of a channel is a unit vector, and the larger feature map is pooled to the smaller one before.
 * The weight 50 is that of RepDistiller, for the three means as they are here.
 *
 * With A [N, C], the unit vectors of a model as columns, mean K(a, b) = |A^T B|^2 / (C_a C_b), which is also the inner product of
 * the Gram matrices A A^T / C_a and B B^T / C_b [N, N]. So the whole is the squared distance of the two Gram matrices.
 * Axes: B batch, N places, C channels of each model.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';

export const nst: LossMethod = {
  sum({ student, other, labels, settings: { weights } }) {
    const pairs = student.map((own, i) => {
      const teacher = present(other[i], "the teacher's maps") as tf.Tensor3D;
      // A teacher that sends its maps has fewer channels than places: only a Gram matrix is square.
      const isGram = teacher.shape[1] === teacher.shape[2];
      const distance = isGram ? tf.sum(tf.squaredDifference(own, teacher)) : discrepancy(own as tf.Tensor3D, teacher);
      return tf.mul(distance, present(weights[i], 'the weight of a pair'));
    });
    return { sum: tf.addN(pairs) as tf.Scalar, count: labels.class_B.shape[0] };
  },
};

/** The sum over the batch, from unit vectors [B, N, C] of both models. */
function discrepancy(own_BNC: tf.Tensor3D, teacher_BNC: tf.Tensor3D): tf.Tensor {
  const both = tf.add(meanKernel(own_BNC, own_BNC), meanKernel(teacher_BNC, teacher_BNC));
  return tf.sub(both, tf.mul(meanKernel(own_BNC, teacher_BNC), 2));
}

function meanKernel(a_BNC: tf.Tensor3D, b_BNC: tf.Tensor3D): tf.Tensor {
  const products_BCC = tf.matMul(a_BNC, b_BNC, true, false);
  return tf.mul(tf.sum(tf.square(products_BCC)), 1 / (a_BNC.shape[2] * b_BNC.shape[2]));
}
