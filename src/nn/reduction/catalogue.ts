/** The reductions by the name that specs of knowledge use. To add one: its file, and its line here. */

import type * as tf from '@tensorflow/tfjs-core';
import { suggest } from '../../base/nearest.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import type { ReductionSpec } from '../../tensor/knowledge.js';
import { attention } from './attention.js';
import { channelGram } from './channel-gram.js';
import { placeGram } from './place-gram.js';
import { pool } from './pool.js';
import { poolTo } from './pool-to.js';
import type { Reduction } from './reduction.js';
import { unitChannels } from './unit-channels.js';

const REDUCTIONS: Readonly<Record<string, Reduction>> = {
  attention,
  'channel-gram': channelGram,
  'place-gram': placeGram,
  pool,
  'pool-to': poolTo,
  'unit-channels': unitChannels,
};

/** The reduced tensor of a tap [B, ...]; gradients flow through it. Must be called inside tf.tidy. Throws `model.invalid` as `shapeOf` does. */
export function reduce(value: tf.Tensor, spec: ReductionSpec): tf.Tensor {
  shapeOf(spec, value.shape.slice(1));
  return reductionOf(spec).reduce(value, spec.options);
}

/**
 * The reduced shape of a tap of this shape; both without the batch. Computes nothing. Throws `model.invalid` for a
 * name that is not there, for options that make no sense, and for a tap that the reduction cannot take.
 */
export function shapeOf(spec: ReductionSpec, shape: readonly number[]): readonly number[] {
  return reductionOf(spec).shapeOf(spec.options, shape);
}

function reductionOf({ name }: ReductionSpec): Reduction {
  const reduction = Object.hasOwn(REDUCTIONS, name) ? REDUCTIONS[name] : undefined;
  if (reduction !== undefined) return reduction;
  throw new StillhouseError('model.invalid', `there is no reduction "${name}"${suggest(name, Object.keys(REDUCTIONS))}`);
}
