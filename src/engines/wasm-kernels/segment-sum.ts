/** UnsortedSegmentSum, the gradient of gather. tfjs has none for wasm. */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

/** Adds up the slices of x that have the same id, and skips ids outside [0, numSegments). Answers [numSegments, ...slice]. */
const segmentSum: KernelBody = ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs as { x: tf.Tensor; segmentIds: tf.Tensor };
  const segments = attrs.numSegments as number;
  const inner = x.shape.slice(segmentIds.rank);
  const size = tf.util.sizeFromShape(inner);
  const sums = backend.makeOutput([segments, ...inner], x.dtype);
  const [from, ids, to] = [x, segmentIds, sums].map((tensor) => backend.typedArrayFromHeap(tensor)) as [
    tf.TypedArray,
    tf.TypedArray,
    tf.TypedArray,
  ];
  to.fill(0);
  for (let slice = 0; slice < ids.length; slice++) {
    const id = ids[slice]!;
    if (id < 0 || id >= segments) continue;
    for (let i = 0; i < size; i++) to[id * size + i]! += from[slice * size + i]!;
  }
  return sums;
};

export const segmentSums: readonly WasmKernel[] = [{ name: tf.UnsortedSegmentSum, build: () => segmentSum }];
