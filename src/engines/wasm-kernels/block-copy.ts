/** Slice and PadV2: they copy a block of a tensor to another tensor, as runs of numbers that are contiguous in both. */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { addressOf } from './loop-module.js';
import { copyRunsOn } from './memory-loop.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

/** The source or the target of a copy. */
interface End {
  /** Address of the tensor. */
  readonly address: number;
  readonly shape: readonly number[];
  /** The index of the block's first element, for each axis. */
  readonly begin: readonly number[];
}

interface BlockCopy {
  readonly size: readonly number[];
  readonly from: End;
  readonly to: End;
  readonly elementBytes: number;
}

/** The number of axes that one call of the copy loop walks over. */
const AXES_AT_ONCE = 2;

function copyBlock(backend: BackendWasm, { size, from, to, elementBytes }: BlockCopy): void {
  const copyRuns = copyRunsOn(backend);
  let runAxis = size.length - 1;
  while (runAxis > 0 && size[runAxis] === from.shape[runAxis] && size[runAxis] === to.shape[runAxis]) runAxis--;
  const stepsOf = ({ shape }: End) => [...tf.util.computeStrides([...shape]), 1].map((step) => step * elementBytes);
  const [fromSteps, toSteps] = [stepsOf(from), stepsOf(to)];
  const startOf = ({ address, begin }: End, steps: number[]) => begin.reduce((sum, index, axis) => sum + index * steps[axis]!, address);
  const [fromStart, toStart] = [startOf(from, fromSteps), startOf(to, toSteps)];
  const axisOf = (axis: number) =>
    axis < 0 ? { count: 1, from: 0, to: 0 } : { count: size[axis]!, from: fromSteps[axis]!, to: toSteps[axis]! };
  const [images, rows] = [axisOf(runAxis - 2), axisOf(runAxis - 1)];
  const outer = size.slice(0, Math.max(0, runAxis - AXES_AT_ONCE));
  for (let count = 0; count < tf.util.sizeFromShape(outer); count++) {
    let [fromAt, toAt] = [fromStart, toStart];
    for (let axis = outer.length - 1, rest = count; axis >= 0; axis--) {
      const index = rest % outer[axis]!;
      fromAt += index * fromSteps[axis]!;
      toAt += index * toSteps[axis]!;
      rest = (rest - index) / outer[axis]!;
    }
    copyRuns({
      ...{ from: fromAt, to: toAt, images: images.count, rows: rows.count, bytes: size[runAxis]! * fromSteps[runAxis]! },
      ...{ fromImage: images.from, toImage: images.to, fromRow: rows.from, toRow: rows.to },
    });
  }
}

const slice =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend, attrs } = call;
    const { x } = call.inputs as { x: tf.Tensor };
    if (x.dtype === 'string' || x.rank === 0) return stock(call);
    const [begin, size] = tf.slice_util.parseSliceParams(x, attrs.begin as number[], attrs.size as number[]) as [number[], number[]];
    const out = backend.makeOutput(size, x.dtype);
    const to = { address: addressOf(backend, out), shape: size, begin: size.map(() => 0) };
    const from = { address: addressOf(backend, x), shape: x.shape, begin };
    if (tf.util.sizeFromShape(size) > 0) copyBlock(backend, { size, from, to, elementBytes: tf.util.bytesPerElement(x.dtype) });
    return out;
  };

const pad =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend, attrs } = call;
    const { x } = call.inputs as { x: tf.Tensor };
    const { paddings, constantValue } = attrs as { paddings: readonly (readonly [number, number])[]; constantValue: number };
    if (x.dtype === 'string' || x.rank === 0) return stock(call);
    const shape = x.shape.map((length, axis) => length + paddings[axis]![0] + paddings[axis]![1]);
    const out = backend.makeOutput(shape, x.dtype);
    backend.typedArrayFromHeap(out).fill(constantValue);
    const to = { address: addressOf(backend, out), shape, begin: paddings.map(([before]) => before) };
    const from = { address: addressOf(backend, x), shape: x.shape, begin: x.shape.map(() => 0) };
    if (x.size > 0) copyBlock(backend, { size: x.shape, from, to, elementBytes: tf.util.bytesPerElement(x.dtype) });
    return out;
  };

export const blockCopies: readonly WasmKernel[] = [
  { name: tf.Slice, build: (stock) => slice(stock(tf.Slice)) },
  { name: tf.PadV2, build: (stock) => pad(stock(tf.PadV2)) },
];
