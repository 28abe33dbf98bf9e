/**
 * Attention transfer by gradients (Zagoruyko & Komodakis, arXiv 1612.03928, section 3.2): where the loss of an image is sensitive to its
 * pixels for the teacher, it is to be so for the student. ||J_s - J_t||^2 of each image, J the gradient of the model's cross-entropy
 * by the image. Here the square of the paper's norm: its gradient is 0 where the two agree. The paper gives no number for the weight.
 * The second derivative is not in this file: src/step/input-gradient.ts makes J_s a tensor with a gradient.
 * Axes: B batch, H height, W width, C channels.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { LossMethod } from './loss-method.js';

export const gradientAttention: LossMethod = {
  sum({ student, other, labels }) {
    const own_BHWC = present(student[0], "the student's gradient by the images");
    const teacher_BHWC = present(other[0], "the teacher's gradient by the images");
    return { sum: tf.sum(tf.squaredDifference(own_BHWC, teacher_BHWC)), count: labels.class_B.shape[0] };
  },
};
