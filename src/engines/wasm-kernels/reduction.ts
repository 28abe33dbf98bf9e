/**
 * Sum and Mean over adjoining axes that are not the last ones, as in the gradients of biases, BatchNorm and global pooling.
 * tfjs's own kernels transpose the tensor first, and add one number at a time.
 */

import * as tf from '@tensorflow/tfjs-core';
import { columnLoopOn } from './column-loop.js';
import { addressOf } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import { floatsOf, type KernelBody, type WasmKernel } from './wasm-kernel.js';

/** A tensor viewed as [before, rows, columns]; the sum is taken over `rows`. */
interface Block {
  readonly before: number;
  readonly rows: number;
  readonly columns: number;
}

/** Up to this number of rows, all are added one after the other. A longer sum is taken in parts, which makes the rounding error smaller. */
const FEW_ROWS = 256;

/** The block to reduce, or null when the axes do not adjoin. */
function blockOf(shape: readonly number[], axes: readonly number[]): Block | null {
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0];
  if (first === undefined || sorted.some((axis, i) => axis !== first + i)) return null;
  const end = first + sorted.length;
  return {
    before: tf.util.sizeFromShape(shape.slice(0, first)),
    rows: tf.util.sizeFromShape(shape.slice(first, end)),
    columns: tf.util.sizeFromShape(shape.slice(end)),
  };
}

/** Adds the sum of each column of x to the vector `sum`. */
export const sumColumns = columnLoopOn({ reads: ['x'], columns: [], sums: ['sum'], compute: ({ x }) => ({ sum: x }) });

const reduce =
  (average: boolean, stock: KernelBody): KernelBody =>
  (call) => {
    const { backend } = call;
    const { x } = call.inputs as { x: tf.Tensor };
    const axes = tf.util.parseAxisParam(call.attrs.axis as number[], x.shape);
    const block = blockOf(x.shape, axes);
    // When the block ends with the last axis, the stock kernel reads in order and is faster.
    if (block === null || block.columns === 1 || x.dtype !== 'float32' || x.size === 0) return stock(call);
    const { before, rows, columns } = block;
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (call.attrs.keepDims ? [1] : []) : [size]));
    const out = backend.makeOutput(shape, 'float32');
    const [from, to] = [addressOf(backend, x), addressOf(backend, out)];
    clearMemory(backend, to, 4 * before * columns);
    if (rows <= FEW_ROWS) sumColumns(backend, { x: from, sum: to }, { rows: before * rows, columns, rowsPerSum: rows });
    else {
      const [xStep, sumStep] = [4 * rows * columns, 4 * columns];
      for (let i = 0; i < before; i++) sumColumns(backend, { x: from + i * xStep, sum: to + i * sumStep }, { rows, columns });
    }
    if (average) {
      const sums = floatsOf(backend, out);
      for (let i = 0; i < sums.length; i++) sums[i]! /= rows;
    }
    return out;
  };

export const reductions: readonly WasmKernel[] = [
  { name: tf.Sum, build: (stock) => reduce(false, stock(tf.Sum)) },
  { name: tf.Mean, build: (stock) => reduce(true, stock(tf.Mean)) },
];
