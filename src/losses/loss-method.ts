/** What a loss is. Owns the types only. Axes: B batch, K classes. */

import type * as tf from '@tensorflow/tfjs-core';

export interface LossBatch {
  /** The student's logits, [B, K]. Gradients flow into these only. */
  readonly logits_BK: tf.Tensor2D;
  /** The class of each sample, int32 [B]. */
  readonly labels_B: tf.Tensor1D;
  /** The teacher's logits, [B, K], constants; null in a stage without a teacher. */
  readonly targets_BK: tf.Tensor2D | null;
}

/** A loss over a part of the batch. Whoever holds the whole batch adds the parts and divides once. */
export interface LossSum {
  /** Over the samples, not their mean: the same batch in one piece or in four gives the same gradient. */
  readonly sum: tf.Scalar;
  readonly count: number;
}

/**
 * One method of the catalogue. `sum` is called inside tf.tidy, with or without a gradient being recorded. A parameter that
 * may change over a stage is a tf.Scalar; a constant of the recipe is a number.
 */
export interface LossMethod<Parameters> {
  sum(batch: LossBatch, parameters: Parameters): LossSum;
}
