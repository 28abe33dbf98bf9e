/** Tensors as plain lists, for formulas that are written without tfjs. */

import { present } from '../../src/base/assert.js';
import type { Prng } from '../../src/base/prng.js';

/** A tensor as its shape and its elements, row-major. */
export interface Plain {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** A tensor of numbers of a size that occurs in training, exact in float32. */
export function somePlain(random: Prng, shape: readonly number[], scale = 2): Plain {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return { shape, data: Array.from({ length: size }, () => Math.fround(scale * random.normal())) };
}

/** The rows of a tensor [B, K]. */
export function rows({ shape: [, width = 1], data }: Plain): number[][] {
  return Array.from({ length: data.length / width }, (_, b) => data.slice(b * width, (b + 1) * width));
}

/** A tensor [B, K] from its rows. */
export function fromRows(list: readonly (readonly number[])[]): Plain {
  return { shape: [list.length, present(list[0], 'a row').length], data: list.flat() };
}
