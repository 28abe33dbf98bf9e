/**
 * The hints of FitNets (Romero et al., arXiv 1412.6550): for each pair of taps the mean over all elements of (r(F_s) - F_t)^2, times the
 * pair's weight. The regressor r, a convolution of 1x1 with a bias, is trained with the student and is not a part of it. The
 * paper has half the sum of the squares; the mean, and its weight, are those of RepDistiller. Axes: B batch, N places, C channels of
 * the student, D of the teacher.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { regressorNames } from './fitnets-declaration.js';
import type { LossMethod } from './loss-method.js';

export const fitnets: LossMethod = {
  sum({ student, other, labels, adapters, settings: { weights } }) {
    const count = labels.class_B.shape[0];
    const pairs = student.map((own, i) => {
      const hint = present(other[i], "the teacher's hint");
      const { kernel, bias } = regressorNames(i);
      // At one place a convolution of 1x1 is a product with its kernel [C, D].
      const places = tf.reshape(own, [-1, own.shape.at(-1) as number]) as tf.Tensor2D;
      const regressed = tf.add(tf.matMul(places, present(adapters[kernel], kernel) as tf.Tensor2D), present(adapters[bias], bias));
      const squares = tf.squaredDifference(regressed, tf.reshape(hint, regressed.shape));
      return tf.mul(tf.sum(squares), present(weights[i], 'the weight of a pair') * (count / hint.size));
    });
    return { sum: tf.addN(pairs) as tf.Scalar, count };
  },
};
