/** Slice, as copies of the longest runs that lie together: tfjs's own copies number by number where the axes are four. */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

interface Copy {
  readonly from: tf.TypedArray;
  readonly to: tf.TypedArray;
  readonly strides: readonly number[];
  readonly begin: readonly number[];
  readonly size: readonly number[];
  /** From this axis on, the elements taken lie together. */
  readonly runAxis: number;
}

/** Copies what is taken of the axes from `axis` on; `at` is the place in `from`. Returns the next place in `to`. */
function copyAxis(copy: Copy, axis: number, at: number, place: number): number {
  const { from, to, strides, begin, size, runAxis } = copy;
  const stride = strides[axis] ?? 1;
  const start = at + begin[axis]! * stride;
  if (axis === runAxis) {
    const run = size[axis]! * stride;
    to.set(from.subarray(start, start + run), place);
    return place + run;
  }
  let next = place;
  for (let i = 0; i < size[axis]!; i++) next = copyAxis(copy, axis + 1, start + i * stride, next);
  return next;
}

const sliceByRuns =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend, attrs } = call;
    const { x } = call.inputs as { x: tf.Tensor };
    if (x.dtype === 'string' || x.rank === 0) return stock(call);
    const [begin, size] = tf.slice_util.parseSliceParams(x, attrs.begin as number[], attrs.size as number[]) as [number[], number[]];
    const out = backend.makeOutput(size, x.dtype);
    if (tf.util.sizeFromShape(size) === 0) return out;
    let runAxis = x.rank - 1;
    while (runAxis > 0 && size[runAxis] === x.shape[runAxis]) runAxis--;
    const strides = tf.util.computeStrides(x.shape);
    copyAxis({ from: backend.typedArrayFromHeap(x), to: backend.typedArrayFromHeap(out), strides, begin, size, runAxis }, 0, 0, 0);
    return out;
  };

export const slices: readonly WasmKernel[] = [{ name: tf.Slice, build: sliceByRuns }];
