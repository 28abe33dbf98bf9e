/** A feature map pooled to a smaller size, by averages (adaptive-pool.ts). Axes: B batch, H height, W width, C channels. */

import type * as tf from '@tensorflow/tfjs-core';
import { adaptivePool } from './adaptive-pool.js';
import { checkMap, checkOptionNames, checkPooling, type Reduction } from './reduction.js';

const NAME = 'pool-to';

/** Options: `height` and `width`, at most the map's. [H, W, C] becomes [height, width, C]. */
export const poolTo: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, ['height', 'width']);
    const map = checkMap(NAME, shape);
    const { height, width } = checkPooling(NAME, options, map);
    return [height, width, map.channels];
  },

  reduce: (value, { height, width }) => adaptivePool(value as tf.Tensor4D, { height: height as number, width: width as number }),
};
