/** The small computation of a probe: it runs the engine's code and checks the answer. */

import * as tf from '@tensorflow/tfjs-core';
import { messageOf } from '../errors/stillhouse-error.js';

/**
 * Opens a backend with `open`, convolves a 2x2 image with a 2x2 filter on it, and makes the earlier backend current again.
 * Answers null when the result is right, and the error, in words, otherwise. Never throws.
 */
export async function tryConvolution(open: () => Promise<void>): Promise<string | null> {
  // tfjs declares a string, but this is undefined until a backend has been set.
  const before: string | undefined = tf.getBackend();
  try {
    await open();
    const answer = tf.tidy(
      () => tf.conv2d(tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]), tf.tensor4d([1, 10, 100, 1000], [2, 2, 1, 1]), 1, 'valid').dataSync()[0],
    );
    return answer === 4321 ? null : `a convolution gave ${answer} in place of 4321`;
  } catch (error) {
    return messageOf(error);
  } finally {
    if (before !== undefined && before !== tf.getBackend()) await tf.setBackend(before);
  }
}
