/**
 * The flow between two layers of a model: the mean over the places of f g^T, f and g the activations of the two maps at one place (Yim et
 * al., CVPR 2017, the matrix of the flow of solution procedure). Where the maps differ in size, the larger is pooled to the smaller, on
 * each axis. Axes: B batch, H height, W width, C and D channels, N places.
 */

import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { adaptivePool } from './reduction/adaptive-pool.js';

/** The shape of the flow between outputs of these shapes, all without the batch: [C, D]. Throws `model.invalid` where one is no map. */
export function flowShape(from: readonly number[], to: readonly number[]): readonly [number, number] {
  return [channelsOf(from), channelsOf(to)];
}

/** The flow [B, C, D] of the maps [B, H, W, C] and [B, H, W, D]. Gradients flow to both. Must be called inside tf.tidy. */
export function flowOf(from: tf.Tensor, to: tf.Tensor): tf.Tensor3D {
  flowShape(from.shape.slice(1), to.shape.slice(1));
  const maps = [from as tf.Tensor4D, to as tf.Tensor4D] as const;
  const height = Math.min(...maps.map((map) => map.shape[1]));
  const width = Math.min(...maps.map((map) => map.shape[2]));
  const [from_BNC, to_BND] = maps.map((map_BHWC) => {
    const [size, , , channels] = map_BHWC.shape;
    return tf.reshape(adaptivePool(map_BHWC, { height, width }), [size, height * width, channels]);
  }) as [tf.Tensor3D, tf.Tensor3D];
  return tf.mul(tf.matMul(from_BNC, to_BND, true, false), 1 / (height * width));
}

function channelsOf(shape: readonly number[]): number {
  const [, , channels] = shape;
  if (shape.length === 3 && channels !== undefined) return channels;
  const what = `a flow goes between maps of height, width and channels, and this layer puts out [${shape.join(', ')}]`;
  throw new StillhouseError('model.invalid', what, { hint: 'Name convolutions, or layers right after them' });
}
