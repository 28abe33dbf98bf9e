/**
 * The average of each channel of a feature map over its places: the embedding that a network's last pooling makes. Options: none.
 * Axes: B batch, H height, W width, C channels.
 */

import * as tf from '@tensorflow/tfjs-core';
import { checkMap, checkOptionNames, type Reduction } from './reduction.js';

const NAME = 'pool';

/** [H, W, C] becomes [C]. */
export const pool: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, []);
    return [checkMap(NAME, shape).channels];
  },

  reduce: (map_BHWC) => tf.mean(map_BHWC, [1, 2]),
};
