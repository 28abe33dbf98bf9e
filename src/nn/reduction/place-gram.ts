/**
 * The Gram matrix of the places of a feature map whose channels are unit vectors: the mean over the channels c of a_c a_c^T, a_c the
 * channel's spatial map of length 1 (unit-channels.ts). With as many places as channels, or fewer, it is smaller than the map.
 * Axes: B batch, H height, W width, C channels, N = height * width places.
 */

import * as tf from '@tensorflow/tfjs-core';
import { checkMap, checkOptionNames, checkPooling, type Reduction } from './reduction.js';
import { unitChannelsOf } from './unit-channels.js';

const NAME = 'place-gram';

/** Options: `height` and `width`, at most the map's: it is pooled to this size. [H, W, C] becomes [N, N]. */
export const placeGram: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, ['height', 'width']);
    const { height, width } = checkPooling(NAME, options, checkMap(NAME, shape));
    return [height * width, height * width];
  },

  reduce(value, options) {
    const unit_BNC = unitChannelsOf(value as tf.Tensor4D, options);
    return tf.mul(tf.matMul(unit_BNC, unit_BNC, false, true), 1 / unit_BNC.shape[2]);
  },
};
