/**
 * The arithmetic of a loss. Owns the types only; loss-declaration.ts has the declaration.
 * Axes: B batch, K classes, D other samples drawn, N samples of the split, E elements of a row.
 */

import type * as tf from '@tensorflow/tfjs-core';
import type { TermSettings } from './loss-declaration.js';

/** The classes of a batch. */
export interface Labels {
  /** The class of each image, int32 [B]. */
  readonly class_B: tf.Tensor1D;
  /** For images that are mixed of two: the class of the second, int32 [B], and the share of the first, [B]; null when no image is mixed. */
  readonly mixed: { readonly second_B: tf.Tensor1D; readonly share_B: tf.Tensor1D } | null;
}

/** The tensors that a term keeps, as they are before the step, and the samples that it is about. */
export interface TermMemory {
  /** By their names in the declaration: [N, E], or a scalar. */
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
  readonly samples: SampleTensors;
}

/** The samples of a batch by their numbers in the split, from 0. */
export interface SampleTensors {
  /** The sample of each image, int32 [B]. No sample is in a batch twice. */
  readonly id_B: tf.Tensor1D;
  /** The other samples that are drawn for each, int32 [B, D]. */
  readonly drawn_BD: tf.Tensor2D;
}

/** The inputs of a term. Gradients flow into `student` and `adapters` only. */
export interface TermInputs {
  readonly labels: Labels;
  /** K. */
  readonly classes: number;
  /** The student's knowledge, in the order of the declaration's `needs`. */
  readonly student: readonly tf.Tensor[];
  /** The other side's knowledge, in the same way. It is constant. */
  readonly other: readonly tf.Tensor[];
  /** The adapters by their names in the declaration. */
  readonly adapters: Readonly<Record<string, tf.Tensor>>;
  readonly settings: TermSettings;
  /** It is there for a term with a memory. No gradient flows into it. */
  readonly memory?: TermMemory | undefined;
}

/** A loss over a part of the batch. The holder of the whole batch adds the parts and divides once. */
export interface LossSum {
  /**
   * The sum over the samples, not their mean: the same batch in one piece or in four gives the same gradient. A loss that is `over` the
   * batch never gets a part of it, and gives its value times `count`; it is 0 where a batch is too small to have a relation.
   */
  readonly sum: tf.Scalar;
  /** The number of samples, by which the sum is divided. */
  readonly count: number;
  /** For a term with a memory, its new values by their names: the rows of the batch's samples, [B, E], or a scalar. */
  readonly memory?: Readonly<Record<string, tf.Tensor>> | undefined;
}

/**
 * The arithmetic of one loss, without its weight. `sum` is called inside tf.tidy, with or without a gradient being
 * recorded. Knobs are scalars because a step may be recorded once and replayed; constants of the recipe are numbers.
 */
export interface LossMethod {
  sum(inputs: TermInputs, knobs: Readonly<Record<string, tf.Scalar>>): LossSum;
}
