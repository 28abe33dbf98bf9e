/** A reduction: a small program that makes a tap smaller where the model is. Owns the type and its error. */

import type * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import type { MapSize } from './adaptive-pool.js';

/** The numbers of a request for a reduction. They may come from another machine. */
export type ReductionOptions = Readonly<Record<string, number>>;

export interface Reduction {
  /**
   * The shape of the reduced tensor for a tap of this shape; both without the batch. Only this function checks the
   * options and the tap's rank. Throws `model.invalid`.
   */
  shapeOf(options: ReductionOptions, shape: readonly number[]): readonly number[];
  /**
   * The reduced tensor of a tap [B, ...], sample by sample. Called inside tf.tidy, with options and a shape that `shapeOf`
   * accepts. It uses tfjs operations with a gradient: nothing is read back, and no branch depends on a value, because the call may
   * be recorded once and replayed as a graph.
   */
  reduce(value: tf.Tensor, options: ReductionOptions): tf.Tensor;
}

/** The error of a reduction that cannot be carried out as asked. */
export function invalidReduction(name: string, what: string, hint?: string): StillhouseError {
  return new StillhouseError('model.invalid', `the reduction "${name}": ${what}`, hint === undefined ? {} : { hint });
}

/** Throws for an option that is not among the known ones. */
export function checkOptionNames(name: string, options: ReductionOptions, known: readonly string[]): void {
  const extra = Object.keys(options).find((option) => !known.includes(option));
  if (extra !== undefined) throw invalidReduction(name, `there is no option "${extra}"; there is: ${known.join(', ')}`);
}

/** The options `height` and `width` of a reduction that pools its map with `adaptivePool`; throws when the map cannot be pooled to that size. */
export function checkPooling(name: string, options: ReductionOptions, map: MapSize): MapSize {
  const { height = Number.NaN, width = Number.NaN } = options;
  if (fits(height, map.height) && fits(width, map.width)) return { height, width };
  throw invalidReduction(name, `a map of ${map.height}x${map.width} cannot be pooled to ${height}x${width}`);
}

function fits(size: number, full: number): boolean {
  return Number.isInteger(size) && size >= 1 && size <= full;
}

/** The axes of a tap that is a feature map [H, W, C]; throws for any other. */
export function checkMap(name: string, shape: readonly number[]): MapSize & { readonly channels: number } {
  const [height = 0, width = 0, channels = 0] = shape;
  if (shape.length === 3) return { height, width, channels };
  const what = `it takes maps of height, width and channels, and this layer puts out [${shape.join(', ')}]`;
  throw invalidReduction(name, what, 'Tap a convolution, or a layer right after one');
}
