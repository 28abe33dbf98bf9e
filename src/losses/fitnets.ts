/**
 * The hints of FitNets (Romero et al., arXiv 1412.6550): for each pair of taps the mean over all elements of (r(F_s) - F_t)^2, times the
 * pair's weight. The regressor r, a convolution of 1x1 with a bias (of vectors a linear layer), is trained with the student and is not a
 * part of it. The paper has half the sum of the squares; the mean, and its weight, are those of RepDistiller.
 */

import * as tf from '@tensorflow/tfjs-core';
import { adaptedStudent } from './adapted-pair.js';
import type { LossMethod } from './loss-method.js';
import { sumOverPairs } from './pair-sum.js';

export const fitnets: LossMethod = {
  sum: (inputs) =>
    sumOverPairs({ ...inputs, student: adaptedStudent(inputs) }, (regressed, hint) => {
      const count = inputs.labels.class_B.shape[0];
      return tf.mul(tf.sum(tf.squaredDifference(regressed, hint)), count / hint.size);
    }),
};
