/** A reduction: a small program that makes a tap smaller where the model is. Owns the type and its error. */

import type * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../../errors/stillhouse-error.js';

/** The numbers of a request for a reduction. They may come from another machine. */
export type ReductionOptions = Readonly<Record<string, number>>;

export interface Reduction {
  /**
   * The shape of the reduced tensor for a tap of this shape; both without the batch. Only this function checks the
   * options and the tap's rank. Throws `model.invalid`.
   */
  shapeOf(options: ReductionOptions, shape: readonly number[]): readonly number[];
  /**
   * The reduced tensor of a tap [B, ...], sample by sample. Called inside tf.tidy, with options and a shape that `shapeOf`
   * accepts. It uses tfjs operations with a gradient: nothing is read back, and no branch depends on a value, because the call may
   * be recorded once and replayed as a graph.
   */
  reduce(value: tf.Tensor, options: ReductionOptions): tf.Tensor;
}

/** The error of a reduction that cannot be carried out as asked. */
export function invalidReduction(name: string, what: string, hint?: string): StillhouseError {
  return new StillhouseError('model.invalid', `the reduction "${name}": ${what}`, hint === undefined ? {} : { hint });
}
