/**
 * The soft term of knowledge distillation (Hinton, Vinyals & Dean, arXiv 1503.02531): T^2 KL(softmax(z_t / T) || softmax(z_s / T)),
 * teacher first, summed over the batch. T^2 keeps the gradient's size when T changes: it is T (p_s - p_t), and p_s - p_t
 * shrinks as 1 / T. Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';
import { withSoftmaxGradient } from './softmax-gradient.js';

export const hinton: LossMethod = {
  sum({ student, other }, knobs) {
    const temperature = present(knobs.temperature, 'the temperature');
    const [logits_BK, targets_BK] = [present(student[0], 'the logits'), present(other[0], "the teacher's logits")];
    const teacherLog_BK = tf.logSoftmax(tf.div(targets_BK, temperature));
    const teacher_BK = tf.exp(teacherLog_BK) as tf.Tensor2D;
    const student_BK = tf.div(logits_BK, temperature) as tf.Tensor2D;
    const divergence = withSoftmaxGradient(student_BK, teacher_BK, (studentLog_BK) =>
      tf.sum(tf.mul(teacher_BK, tf.sub(teacherLog_BK, studentLog_BK))),
    );
    return { sum: tf.mul(divergence, tf.square(temperature)), count: student_BK.shape[0] };
  },
};
