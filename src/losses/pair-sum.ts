/**
 * The sum over the pairs of taps, each with its weight: how every loss over features or relations joins its layers. So layer-wise
 * distillation is a term with several pairs and `weights`, for all of them alike.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossSum, TermInputs } from './loss-method.js';

/** The scalar of one pair, from what the student and the other side have at its taps. */
export type PairValue = (own: tf.Tensor, other: tf.Tensor) => tf.Tensor;

/** The sum of the values of all pairs by their weights, and the number of samples. A value is a sum over the samples, without the pair's weight. */
export function sumOverPairs(inputs: TermInputs, pairValue: PairValue): LossSum {
  return scaledSum(inputs, pairValue, 1);
}

/** The same for a relation, whose value is that of the whole batch: so it is times the number of samples, and the one division leaves it. */
export function relationOverPairs(inputs: TermInputs, relationOf: PairValue): LossSum {
  return scaledSum(inputs, relationOf, inputs.labels.class_B.shape[0]);
}

/** Weight and scale are one factor: a graph would join two, and then differ from the eager step in the last bit. */
function scaledSum({ student, other, labels, settings: { weights } }: TermInputs, pairValue: PairValue, scale: number): LossSum {
  const pairs = student.map((own, i) => {
    const value = pairValue(own, present(other[i], "the other side's tensor of a pair"));
    return tf.mul(value, present(weights[i], 'the weight of a pair') * scale);
  });
  return { sum: tf.addN(pairs) as tf.Scalar, count: labels.class_B.shape[0] };
}
