/**
 * The Gram matrix of the channels of a feature map: the mean over the places of f f^T, f the activations of one place (Gatys, Ecker &
 * Bethge, arXiv 1508.06576). As a mean it has the same size for maps of any number of places.
 * Axes: B batch, H height, W width, C channels, N = H W places.
 */

import * as tf from '@tensorflow/tfjs-core';
import { checkMap, checkOptionNames, type Reduction } from './reduction.js';

const NAME = 'channel-gram';

/** No options. [H, W, C] becomes [C, C]. */
export const channelGram: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, []);
    const { channels } = checkMap(NAME, shape);
    return [channels, channels];
  },

  reduce(value) {
    const [size, height, width, channels] = (value as tf.Tensor4D).shape;
    const map_BNC = tf.reshape(value, [size, height * width, channels]);
    return tf.mul(tf.matMul(map_BNC, map_BNC, true, false), 1 / (height * width));
  },
};
