/** The computation that a probe asks of an engine: small, but it goes through the loaded code and checks the answer. */

import * as tf from '@tensorflow/tfjs-core';
import { messageOf } from '../errors/stillhouse-error.js';

/**
 * Opens a backend with `open`, convolves a 2x2 image with a 2x2 kernel on it, and puts the earlier backend back.
 * Returns null when the answer is right, else what went wrong.
 */
export async function tryConvolution(open: () => Promise<void>): Promise<string | null> {
  // tfjs types it as a string, but it is undefined until a backend has been set.
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
