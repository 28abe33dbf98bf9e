/** Slice, as copies of the longest runs that lie together: tfjs's own copies number by number where the axes are four. */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

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
    const strides = [...tf.util.computeStrides(x.shape), 1];
    const run = size[runAxis]! * strides[runAxis]!;
    const start = begin.reduce((sum, index, axis) => sum + index * strides[axis]!, 0);
    const from = backend.typedArrayFromHeap(x);
    const to = backend.typedArrayFromHeap(out);
    for (let place = 0, count = 0; place < to.length; place += run, count++) {
      let at = start;
      for (let axis = runAxis - 1, rest = count; axis >= 0; axis--) {
        at += (rest % size[axis]!) * strides[axis]!;
        rest = Math.floor(rest / size[axis]!);
      }
      to.set(from.subarray(at, at + run), place);
    }
    return out;
  };

export const slices: readonly WasmKernel[] = [{ name: tf.Slice, build: (stock) => sliceByRuns(stock(tf.Slice)) }];
