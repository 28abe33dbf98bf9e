/**
 * A feature map pooled to a smaller one: each place is the mean of the places that it covers (adaptive-pool.ts). Axes: B batch,
 * H height, W width, C channels.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { adaptivePool } from './adaptive-pool.js';
import { checkMap, checkOptionNames, checkPooling, type Reduction } from './reduction.js';

const NAME = 'pool-map';

/** Options: `height` and `width`, at most the map's. [H, W, C] becomes [height, width, C]. */
export const poolMap: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, ['height', 'width']);
    const map = checkMap(NAME, shape);
    const { height, width } = checkPooling(NAME, options, map);
    return [height, width, map.channels];
  },

  reduce: (map_BHWC, { height = 1, width = 1 }) => adaptivePool(map_BHWC as tf.Tensor4D, { height, width }),
};
