/**
 * Knowledge distillation (Hinton, Vinyals & Dean, arXiv 1503.02531): T^2 KL(softmax(z_t / T) || softmax(z_s / T)), summed
 * over the batch. Without T^2 the gradient would shrink with 1/T^2. The teacher's distribution comes first.
 * Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';
import { softmaxDivergence } from './softmax-gradient.js';

export const hinton: LossMethod = {
  sum({ student, other, labels }, knobs) {
    const temperature = present(knobs.temperature, 'the temperature');
    const soften = (logits: tf.Tensor | undefined) => tf.div(present(logits, 'logits'), temperature) as tf.Tensor2D;
    const divergence = softmaxDivergence(soften(other[0]), soften(student[0]));
    return { sum: tf.mul(divergence, tf.square(temperature)), count: labels.class_B.shape[0] };
  },
};
