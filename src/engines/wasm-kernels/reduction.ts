/**
 * Sum and Mean over adjoining axes with others after them, as BatchNorm and global pooling take them: tfjs's own transposes
 * first and adds one number at a time. Here halves are added to each other, which the backend has fast, and the last rows
 * go into double precision: the rounding error grows with the logarithm of the length.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { floatsOf, type KernelBody, type WasmKernel, withView } from './wasm-kernel.js';

/** A tensor seen as [before, rows, width], of which the rows are summed. */
interface Block {
  readonly before: number;
  readonly rows: number;
  readonly width: number;
}

/** So many rows are added in JavaScript: below, a kernel's call costs more than it saves. */
const FEW_ROWS = 32;

/** The block to reduce, or null when the axes do not adjoin. */
function blockOf(shape: readonly number[], axes: readonly number[]): Block | null {
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0];
  if (first === undefined || sorted.some((axis, i) => axis !== first + i)) return null;
  const end = first + sorted.length;
  return {
    before: tf.util.sizeFromShape(shape.slice(0, first)),
    rows: tf.util.sizeFromShape(shape.slice(first, end)),
    width: tf.util.sizeFromShape(shape.slice(end)),
  };
}

/** Adds `rows` rows of `values`, from element `start`, to `sums`. */
function addRows(values: Float32Array, { start, rows }: { start: number; rows: number }, sums: Float64Array): void {
  const width = sums.length;
  for (let row = 0, at = start; row < rows; row++, at += width) {
    for (let i = 0; i < width; i++) sums[i]! += values[at + i]!;
  }
}

interface RowSum {
  /** tfjs's own Add. */
  readonly add: KernelBody;
  readonly backend: BackendWasm;
  readonly x: tf.TensorInfo;
  readonly rows: number;
  readonly width: number;
}

/** The sum of all rows of x. */
function sumRows({ add, backend, x, rows, width }: RowSum): Float64Array {
  const sums = new Float64Array(width);
  let rest = x;
  let count = rows;
  while (count > FEW_ROWS) {
    const half = count >> 1;
    if (count % 2 === 1) addRows(floatsOf(backend, rest), { start: (count - 1) * width, rows: 1 }, sums);
    const folded = withView(backend, { of: rest, shape: [half, width] }, (a) =>
      withView(backend, { of: rest, shape: [half, width], offset: half * width }, (b) => add({ inputs: { a, b }, attrs: {}, backend })),
    );
    if (rest !== x) backend.disposeData(rest.dataId);
    rest = folded;
    count = half;
  }
  addRows(floatsOf(backend, rest), { start: 0, rows: count }, sums);
  if (rest !== x) backend.disposeData(rest.dataId);
  return sums;
}

function reduce(average: boolean, stock: KernelBody, add: KernelBody): KernelBody {
  return (call) => {
    const { backend } = call;
    const { x } = call.inputs as { x: tf.Tensor };
    const axes = tf.util.parseAxisParam(call.attrs.axis as number[], x.shape);
    const block = blockOf(x.shape, axes);
    // With nothing after the block the stock kernel reads in order and is the faster one.
    if (block === null || block.width === 1 || x.dtype !== 'float32' || x.size === 0) return stock(call);
    const { before, rows, width } = block;
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (call.attrs.keepDims ? [1] : []) : [size]));
    const divisor = average ? rows : 1;
    const out = backend.makeOutput(shape, 'float32');
    for (let i = 0; i < before; i++) {
      let sums: Float64Array;
      if (before === 1) sums = sumRows({ add, backend, x, rows, width });
      else {
        sums = new Float64Array(width);
        addRows(floatsOf(backend, x), { start: i * rows * width, rows }, sums);
      }
      const to = floatsOf(backend, out);
      for (let j = 0; j < width; j++) to[i * width + j] = sums[j]! / divisor;
    }
    return out;
  };
}

export const reductions: readonly WasmKernel[] = [
  { name: tf.Sum, build: (stock) => reduce(false, stock(tf.Sum), stock(tf.Add)) },
  { name: tf.Mean, build: (stock) => reduce(true, stock(tf.Mean), stock(tf.Add)) },
];
