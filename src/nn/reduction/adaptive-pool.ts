/**
 * Adaptive average pooling, as PyTorch's `adaptive_avg_pool2d`: to any smaller size, whether it divides the map's or not.
 * Row i of h is the mean of the map's rows from floor(i H / h) to before ceil((i + 1) H / h). It is computed by products with
 * constant matrices, which every engine has with a gradient. Axes: B batch, H height, W width, C channels.
 */

import * as tf from '@tensorflow/tfjs-core';

export interface MapSize {
  readonly height: number;
  readonly width: number;
}

/** The map [B, H, W, C] pooled to this size, [B, height, width, C]; the map itself when it has that size. */
export function adaptivePool(map_BHWC: tf.Tensor4D, { height, width }: MapSize): tf.Tensor4D {
  const [size, fullHeight, fullWidth, channels] = map_BHWC.shape;
  let pooled = map_BHWC;
  if (height !== fullHeight) {
    const rows = tf.reshape(pooled, [size, fullHeight, fullWidth * channels]);
    pooled = tf.reshape(tf.matMul(poolingMatrix(fullHeight, height), rows), [size, height, fullWidth, channels]);
  }
  if (width !== fullWidth) {
    const columns = tf.reshape(pooled, [size * height, fullWidth, channels]);
    pooled = tf.reshape(tf.matMul(poolingMatrix(fullWidth, width), columns), [size, height, width, channels]);
  }
  return pooled;
}

/** [1, to, from]: each row has the share of every input in one mean. */
function poolingMatrix(from: number, to: number): tf.Tensor3D {
  const shares = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const start = Math.floor((i * from) / to);
    const end = Math.ceil(((i + 1) * from) / to);
    shares.fill(1 / (end - start), i * from + start, i * from + end);
  }
  return tf.tensor3d(shares, [1, to, from]);
}
