/**
 * The trained part of the rule of adapter-rule.ts: brings the student's tensors to the widths of the other side's. Axes: B batch,
 * H height, W width, C and D channels.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { adapterNames } from './adapter-rule.js';
import type { LossMethod, TermInputs } from './loss-method.js';

/**
 * The student's tensors of a term whose needs are those of `needsOfAdapted`, each in the shape of the other side's. Called inside
 * tf.tidy; gradients flow to the tensors and to the adapters.
 */
export function adaptedStudent({ student, adapters }: Pick<TermInputs, 'student' | 'adapters'>): readonly tf.Tensor[] {
  return student.map((own, i) => {
    const names = adapterNames(i);
    const kernel = adapters[names.kernel];
    return kernel === undefined ? own : tf.add(project(own, kernel), present(adapters[names.bias], names.bias));
  });
}

/** [B, H, W, C] by a kernel [1, 1, C, D], or [B, C] by [C, D]. */
function project(own: tf.Tensor, kernel: tf.Tensor): tf.Tensor {
  if (own.rank === 2) return tf.matMul(own as tf.Tensor2D, kernel as tf.Tensor2D);
  return tf.conv2d(own as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'same');
}

/** The method, which gets the student's tensors as `adaptedStudent` makes them. */
export function onAdapted(method: LossMethod): LossMethod {
  return { sum: (inputs, knobs) => method.sum({ ...inputs, student: adaptedStudent(inputs) }, knobs) };
}
