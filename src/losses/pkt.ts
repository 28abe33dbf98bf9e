/**
 * Probabilistic knowledge transfer (Passalis & Tefas, arXiv 1803.10837): the student is to see the neighbours of each image that the
 * teacher sees. For each pair of taps mean_ij p_ij log((p_ij + e) / (q_ij + e)), e = 1e-7, times the pair's weight; p of the teacher, q of
 * the student: p_ij = k_ij / sum_j k_ij, each row with the sample itself. The mean is over all B^2 entries, for which the weight 30000 is.
 * The kernel k is (1 + cosine) / 2, or with `width` > 0 the Gaussian exp(-d^2 / (width m)), d the Euclidean distance, m the mean of d^2
 * over all pairs of two. The paper leaves the Gaussian's width open; m makes it independent of the scale of either model's features.
 * One sample has p = 1 and the loss 0. A sample of zeros has the cosine 0 with all.
 * Axes: B batch, N features of a sample; the two sides may have different N.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';
import { centred, directionsOf, sumOverPairs, withoutScale } from './relation.js';

const EPSILON = 1e-7;
/** The least mean squared distance, for a batch of equal samples. Any other has at least 1 / B, because its largest feature is 1. */
const SQUARED_DISTANCE_MIN = 1e-6;

export const pkt: LossMethod = {
  sum(inputs) {
    const width = present(inputs.settings.constants.width, 'the width of the kernel');
    return sumOverPairs(inputs, (own, other) => {
      const [ours, theirs] = [neighboursOf(own, width), neighboursOf(other, width)];
      return tf.mean(tf.mul(theirs, tf.sub(logOf(theirs), logOf(ours))));
    });
  },
};

/** p, [B, B]: each row adds up to 1. */
function neighboursOf(features: tf.Tensor, width: number): tf.Tensor {
  const kernel_BB = width === 0 ? cosineKernel(features) : gaussianKernel(features, width);
  // The entry of a sample with itself keeps the sum away from 0.
  return tf.div(kernel_BB, tf.sum(kernel_BB, 1, true));
}

function cosineKernel(features: tf.Tensor): tf.Tensor {
  const { unit } = directionsOf(withoutScale(features));
  return tf.mul(tf.add(tf.matMul(unit as tf.Tensor2D, unit as tf.Tensor2D, false, true), 1), 0.5);
}

function gaussianKernel(features: tf.Tensor, width: number): tf.Tensor {
  const features_BN = centred(features);
  const [size] = features_BN.shape;
  const squares_B1 = tf.sum(tf.square(features_BN), 1, true);
  const products_BB = tf.matMul(features_BN, features_BN, false, true);
  const squared_BB = tf.sub(tf.add(squares_B1, tf.transpose(squares_B1)), tf.mul(products_BB, 2));
  const mean = tf.mul(tf.sum(squared_BB), 1 / Math.max(1, size * (size - 1)));
  return tf.exp(tf.mul(tf.div(squared_BB, tf.maximum(mean, SQUARED_DISTANCE_MIN)), -1 / width));
}

function logOf(probabilities: tf.Tensor): tf.Tensor {
  return tf.log(tf.add(probabilities, EPSILON));
}
