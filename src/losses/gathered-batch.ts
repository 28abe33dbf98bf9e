/**
 * The gathered batch of a row: the samples of one step of all students that train the same model, in one order, for a loss over the
 * batch that a recipe defines on it (`batch: gathered`).
 *
 * Each student computes the loss on the whole gathered batch. Gradients flow through its own rows alone, times (samples of the row) /
 * (own samples): the average that follows weighs each student by (own samples) / (samples of the row), so that the average of the updates is
 * the update of one student with the whole batch. The gradient of adapters is that of all rows in every student already, and is not scaled. The
 * value is the loss of the whole batch in every student.
 * Axes: B own samples, R those of the other students, N = B + R.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { Labels } from './loss-method.js';

/** Tensors of some samples, the samples along the first axis. */
export interface BatchTensors {
  readonly labels: Labels;
  /** The student's knowledge. */
  readonly student: readonly tf.Tensor[];
  /** The other side's, constants. */
  readonly other: readonly tf.Tensor[];
}

/** The samples of a gathered batch that the other students of the row train; constants. */
export interface RestTensors extends BatchTensors {
  /** The number of them that come before the own samples; the others come after. */
  readonly before: number;
}

/** The tensors of the whole gathered batch, [N, ...], from the own ones, [B, ...], and those of the rest, [R, ...]. Called inside tf.tidy. */
export function gatherBatch(own: BatchTensors, rest: RestTensors): BatchTensors {
  const { before } = rest;
  const join = <T extends tf.Tensor>(mine: T, others: T) => joined(mine, others, before) as T;
  const pair = (mine: readonly tf.Tensor[], others: readonly tf.Tensor[], how: typeof joined) =>
    mine.map((tensor, i) => how(tensor, others[i] as tf.Tensor, before));
  const [mixed, restMixed] = [own.labels.mixed, rest.labels.mixed];
  return {
    labels: {
      class_B: join(own.labels.class_B, rest.labels.class_B),
      mixed: mixed && restMixed && { second_B: join(mixed.second_B, restMixed.second_B), share_B: join(mixed.share_B, restMixed.share_B) },
    },
    student: pair(own.student, rest.student, joinedWithGradient),
    other: pair(own.other, rest.other, joined),
  };
}

/** The own rows between those of the rest. */
function joined(own: tf.Tensor, rest: tf.Tensor, before: number): tf.Tensor {
  const rows = rest.shape[0] as number;
  const parts = [rowsOf(rest, 0, before), own, rowsOf(rest, before, rows)];
  return tf.concat(parts.filter(({ shape }) => shape[0] !== 0));
}

/** The same, with a gradient to the own rows: N / B times that of the gathered ones. */
function joinedWithGradient(own: tf.Tensor, rest: tf.Tensor, before: number): tf.Tensor {
  const [size, others] = [own.shape[0] as number, rest.shape[0] as number];
  const operation = tf.customGrad((...inputs) => ({
    value: joined(inputs[0] as tf.Tensor, rest, before),
    gradFunc: (dy) => tf.mul(rowsOf(dy, before, before + size), (size + others) / size),
  }));
  return operation(own);
}

/** Rows [from, to). */
function rowsOf(tensor: tf.Tensor, from: number, to: number): tf.Tensor {
  const rest = tensor.shape.slice(1);
  return tf.slice(tensor, [from, ...rest.map(() => 0)], [to - from, ...rest]);
}
