/**
 * The similarity-preserving loss (Tung & Mori, arXiv 1907.09682): two images that the teacher finds alike are to be alike for the student.
 * For each pair of taps ||G_s - G_t||^2 / B^2, the squares summed over all B^2 entries, times the pair's weight; G = F F^T of the
 * flattened features F, each row of G divided by its length. A row of zeros stays zeros.
 * Axes: B batch, N features of a sample; the two sides may have different N.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LossMethod } from './loss-method.js';
import { relationOverPairs } from './pair-sum.js';
import { directionsOf, withoutScale } from './relation.js';

export const similarity: LossMethod = {
  sum(inputs) {
    const { isGathered = false } = inputs.settings;
    return relationOverPairs(inputs, (own, other) => {
      return tf.mean(tf.squaredDifference(similaritiesOf(own), isGathered ? similaritiesOf(other) : other));
    });
  },
};

/** G, [B, B], of features [B, ...]. Called inside tf.tidy. */
export function similaritiesOf(features: tf.Tensor): tf.Tensor {
  const features_BN = withoutScale(features);
  return directionsOf(tf.matMul(features_BN, features_BN, false, true)).unit;
}
