/**
 * The attention map of a feature map, as a unit vector: l2norm(vec(mean over channels of |F|^p)) (Zagoruyko & Komodakis,
 * arXiv 1612.03928), after pooling the feature map to `height` times `width`. The norm is at least 1e-12, as in PyTorch's
 * `normalize`, so a map of zeros stays one, and has a gradient of zero. Axes: B batch, H height, W width, C channels.
 */

import * as tf from '@tensorflow/tfjs-core';
import { adaptivePool } from './adaptive-pool.js';
import { checkMap, checkOptionNames, checkPooling, invalidReduction, type Reduction } from './reduction.js';

const NAME = 'attention';
/** The square of the least norm. The bound is under the root, because the root has no finite gradient at 0. */
const SQUARED_NORM_MIN = 1e-24;

/** Options: `p`, the exponent, at least 1; `height` and `width`, at most the map's. [H, W, C] becomes [height * width]. */
export const attention: Reduction = {
  shapeOf(options, shape) {
    checkOptionNames(NAME, options, ['p', 'height', 'width']);
    const { p = Number.NaN } = options;
    if (!(p >= 1 && Number.isFinite(p))) throw invalidReduction(NAME, `p must be a number from 1, not ${p}`);
    const { height, width } = checkPooling(NAME, options, checkMap(NAME, shape));
    return [height * width];
  },

  reduce(value, { p, height, width }) {
    const pooled_BHWC = adaptivePool(value as tf.Tensor4D, { height: height as number, width: width as number });
    const energy_BHWC = p === 2 ? tf.square(pooled_BHWC) : tf.pow(tf.abs(pooled_BHWC), p as number);
    const energy_BN = tf.reshape(tf.mean(energy_BHWC, 3), [value.shape[0] as number, -1]);
    const squared_B1 = tf.sum(tf.square(energy_BN), 1, true);
    return tf.div(energy_BN, tf.sqrt(tf.maximum(squared_B1, SQUARED_NORM_MIN)));
  },
};
