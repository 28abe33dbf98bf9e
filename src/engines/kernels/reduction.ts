/**
 * Sum and Mean over adjoining axes, as matrix products with ones: tfjs's own transpose first and then add one number at a time.
 * A long sum is taken in two stages, which is as fast and keeps the rounding error near that of its square root's length.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { WasmKernel } from './wasm-kernel.js';

/** A tensor seen as [before, reduced, after]. */
interface Block {
  readonly before: number;
  readonly reduced: number;
  readonly after: number;
}

/** The block to reduce, or null when the axes do not adjoin. */
function blockOf(shape: readonly number[], axes: readonly number[]): Block | null {
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0];
  if (first === undefined || sorted.some((axis, i) => axis !== first + i)) return null;
  const end = first + sorted.length;
  return {
    before: tf.util.sizeFromShape(shape.slice(0, first)),
    reduced: tf.util.sizeFromShape(shape.slice(first, end)),
    after: tf.util.sizeFromShape(shape.slice(end)),
  };
}

/** The divisor of `n` that is nearest to its square root from below; 1 for a prime. */
function divisorNearRoot(n: number): number {
  let divisor = Math.floor(Math.sqrt(n));
  while (n % divisor !== 0) divisor--;
  return divisor;
}

function reduceBlock(x: tf.Tensor, { before, reduced, after }: Block): tf.Tensor {
  const stage = divisorNearRoot(reduced);
  const rest = reduced / stage;
  const sums = tf.matMul(tf.fill([1, 1, rest], 1), tf.reshape(x, [before, rest, stage * after]));
  return stage === 1 ? sums : tf.matMul(tf.fill([1, 1, stage], 1), tf.reshape(sums, [before, stage, after]));
}

function withOnes(average: boolean): WasmKernel['build'] {
  return (stock) => (call) => {
    const { x } = call.inputs as { x: tf.Tensor };
    const axes = tf.util.parseAxisParam(call.attrs.axis as number[], x.shape);
    const block = blockOf(x.shape, axes);
    // With nothing after the block the stock kernel reads in order and is the faster one.
    if (block === null || block.after === 1 || x.dtype !== 'float32' || x.size === 0) return stock(call);
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (call.attrs.keepDims ? [1] : []) : [size]));
    return tf.tidy(() => {
      const sums = tf.reshape(reduceBlock(x, block), shape);
      return average ? tf.mul(sums, 1 / block.reduced) : sums;
    });
  };
}

export const reductions: readonly WasmKernel[] = [
  { name: tf.Sum, build: withOnes(false) },
  { name: tf.Mean, build: withOnes(true) },
];
