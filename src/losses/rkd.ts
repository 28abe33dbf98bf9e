/**
 * Relational knowledge distillation (Park et al., arXiv 1904.05068): the student's embeddings are to have the distances and the angles
 * of the teacher's. For each pair of taps, times its weight: `distance` mean_ij h(d_ij / m - d'_ij / m') + `angle` mean_ijk h(a_ijk - a'_ijk),
 * h the Huber function with the bound 1. d is the Euclidean distance of two samples and m its mean over all pairs of two; a_ijk is the
 * cosine of the angle at sample i between j and k. The means of h are over all B^2 and B^3 entries, as in the authors' program, those
 * of one sample with itself included, which are 0. The weights 25 and 50 are for these means.
 * Equal samples have the distance 0 and no direction, and no gradient flows from their pair. One sample has the loss 0; so have two, because
 * their distance is the mean.
 * Memory: some tensors [B, B, N] and [B, B, B]; of 4 MB each for B = 64 and N = 256. Differences, and not products of embeddings, make the
 * angles: those lose the digits of samples that are close.
 * Axes: B batch, N width of the embedding; the two sides may have different N.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';
import { centred, directionsOf, sumOverPairs } from './relation.js';

/** The least mean distance, for a batch of equal samples. */
const DISTANCE_MIN = 1e-12;

export const rkd: LossMethod = {
  sum: (inputs, { distance, angle }) =>
    sumOverPairs(inputs, (own, other) => {
      const [ours, theirs] = [geometryOf(own), geometryOf(other)];
      return tf.add(
        tf.mul(meanHuber(ours.distance_BB, theirs.distance_BB), present(distance, 'the weight of distances')),
        tf.mul(meanHuber(ours.angle_BBB, theirs.angle_BBB), present(angle, 'the weight of angles')),
      );
    }),
};

interface Geometry {
  /** Over their mean. */
  readonly distance_BB: tf.Tensor;
  /** The cosines of the angles at the first index. */
  readonly angle_BBB: tf.Tensor;
}

function geometryOf(embedding: tf.Tensor): Geometry {
  const embedding_BN = centred(embedding);
  const [size] = embedding_BN.shape;
  const difference_BBN = tf.sub(tf.expandDims(embedding_BN, 0), tf.expandDims(embedding_BN, 1));
  const { length, unit } = directionsOf(difference_BBN);
  const length_BB = tf.reshape(length, [size, size]);
  const mean = tf.mul(tf.sum(length_BB), 1 / Math.max(1, size * (size - 1)));
  return {
    distance_BB: tf.div(length_BB, tf.maximum(mean, DISTANCE_MIN)),
    angle_BBB: tf.matMul(unit, unit, false, true),
  };
}

/**
 * The mean over all entries of h(own - other), h(x) = x^2 / 2 up to 1 and |x| - 1/2 beyond, as one operation: its gradient, the
 * difference cut off at 1, is all that is kept. No gradient flows to `other`.
 */
function meanHuber(own: tf.Tensor, other: tf.Tensor): tf.Tensor {
  const operation = tf.customGrad((...inputs) => {
    const [values, save] = inputs as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    const difference = tf.sub(values, other);
    const cut = tf.clipByValue(difference, -1, 1);
    save([cut]);
    return {
      value: tf.mean(tf.mul(cut, tf.sub(difference, tf.mul(cut, 0.5)))),
      gradFunc: (dy, saved) => tf.mul(present((saved as tf.Tensor[])[0], 'the gradient'), tf.mul(dy, 1 / values.size)),
    };
  });
  return operation(own);
}
