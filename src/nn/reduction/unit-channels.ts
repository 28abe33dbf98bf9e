/**
 * The spatial map of each channel as a unit vector, after pooling the feature map to `height` times `width` (as in Huang & Wang,
 * arXiv 1707.01219). The norm is at least 1e-12, as in PyTorch's `normalize`, so a channel of zeros stays one.
 * Axes: B batch, H height, W width, C channels, N = height * width places.
 */

import * as tf from '@tensorflow/tfjs-core';
import { adaptivePool } from './adaptive-pool.js';
import { checkMap, checkOptionNames, checkPooling, type Reduction, type ReductionOptions } from './reduction.js';

const NAME = 'unit-channels';
/** The square of the least norm. The bound is under the root, because the root has no finite gradient at 0. */
const SQUARED_NORM_MIN = 1e-24;

/** Options: `height` and `width`, at most the map's. [H, W, C] becomes [N, C], in which each column has the length 1. */
export const unitChannels: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, ['height', 'width']);
    const map = checkMap(NAME, shape);
    const { height, width } = checkPooling(NAME, options, map);
    return [height * width, map.channels];
  },

  reduce: (value, options) => unitChannelsOf(value as tf.Tensor4D, options),
};

/** The unit vectors of a feature map [B, H, W, C], as columns: [B, N, C]. */
export function unitChannelsOf(map_BHWC: tf.Tensor4D, { height, width }: ReductionOptions): tf.Tensor3D {
  const [size, , , channels] = map_BHWC.shape;
  const pooled_BHWC = adaptivePool(map_BHWC, { height: height as number, width: width as number });
  const map_BNC = tf.reshape(pooled_BHWC, [size, -1, channels]);
  const squared_B1C = tf.sum(tf.square(map_BNC), 1, true);
  return tf.div(map_BNC, tf.sqrt(tf.maximum(squared_B1C, SQUARED_NORM_MIN)));
}
