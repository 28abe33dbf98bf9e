/**
 * Attention transfer by activation (Zagoruyko & Komodakis, arXiv 1612.03928): for each pair of taps the mean over all
 * entries of (a_s - a_t)^2, times the pair's weight; a is the unit vector that the reduction `attention` makes of a feature
 * map, at the teacher and at the student alike. Axes: B batch, N places of the smaller map.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LossMethod } from './loss-method.js';
import { sumOverPairs } from './pair-sum.js';

export const attentionTransfer: LossMethod = {
  sum: (inputs) => sumOverPairs(inputs, (own_BN, other_BN) => tf.sum(tf.mean(tf.squaredDifference(own_BN, other_BN), 1))),
};
