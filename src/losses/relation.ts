/**
 * The arithmetic that the losses over relations share: features without their scale, unit vectors and lengths with a finite gradient
 * at 0, and the sum over pairs of taps. Axes: B batch, N features of a sample.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossSum, TermInputs } from './loss-method.js';
import { constant } from './softmax-gradient.js';

/** The square of the least length: a vector that is no longer than 1e-12 has length 0 and no direction. */
const SQUARED_LENGTH_MIN = 1e-24;
/** Below this, features of a batch are all 0. */
const SCALE_MIN = 1e-30;

/** Lengths and directions of the vectors along the last axis. */
export interface Directions {
  /** 0 with a gradient of 0 for a vector of zeros. */
  readonly length: tf.Tensor;
  /** Unit vectors; zeros with a gradient of 0 for a vector of zeros, where the paper's quotient has no gradient. */
  readonly unit: tf.Tensor;
}

/** The last axis of `length` has the size 1. */
export function directionsOf(vectors: tf.Tensor): Directions {
  const squared = tf.sum(tf.square(vectors), -1, true);
  const root = tf.sqrt(tf.maximum(squared, SQUARED_LENGTH_MIN));
  // 1, and proportional to the square for a vector that is as good as 0: its gradient vanishes with the vector.
  const isThere = tf.mul(tf.minimum(squared, SQUARED_LENGTH_MIN), 1 / SQUARED_LENGTH_MIN);
  return { length: tf.mul(root, isThere), unit: tf.mul(vectors, tf.div(isThere, root)) };
}

/**
 * The features [B, ...] flattened to [B, N] and divided by the largest of the batch, which counts as a constant. A relation that does
 * not depend on the scale has the same value and the same gradient, and its squares stay within float32.
 */
export function withoutScale(features: tf.Tensor): tf.Tensor2D {
  const features_BN = tf.reshape(features, [features.shape[0] as number, -1]) as tf.Tensor2D;
  return tf.div(features_BN, constant(tf.maximum(tf.max(tf.abs(features_BN)), SCALE_MIN)));
}

/**
 * The features [B, N] around their mean, without their scale: for a relation of differences neither counts, and small differences keep their
 * digits.
 */
export function centred(features_BN: tf.Tensor): tf.Tensor2D {
  return withoutScale(tf.sub(features_BN, constant(tf.mean(features_BN, 0, true))));
}

/**
 * The relation of each pair of taps, a scalar for the whole batch, times the pair's weight and the size of the batch: so the division
 * of the stage's loss leaves the sum of the weighted relations.
 */
export function sumOverPairs(
  { student, other, labels, settings: { weights } }: TermInputs,
  relation: (own: tf.Tensor, other: tf.Tensor) => tf.Tensor,
): LossSum {
  const count = labels.class_B.shape[0];
  const pairs = student.map((own, i) => {
    const value = relation(own, present(other[i], "the teacher's features"));
    return tf.mul(value, present(weights[i], 'the weight of a pair') * count);
  });
  return { sum: tf.addN(pairs) as tf.Scalar, count };
}
