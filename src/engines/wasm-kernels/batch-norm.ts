/** FusedBatchNorm over the last axis, as x factor + shift in one pass. Factor and shift are computed once for each channel. */

import * as tf from '@tensorflow/tfjs-core';
import { columnLoopOn } from './column-loop.js';
import { addressOf } from './loop-module.js';
import { floatsOf, type KernelBody, makeVector, type WasmKernel } from './wasm-kernel.js';

/** y = x factor + shift. */
export const scaleAndShift = columnLoopOn({
  reads: ['x'],
  columns: ['factor', 'shift'],
  writes: ['y'],
  compute: ({ x, factor, shift }, { add, multiply }) => ({ y: add(multiply(x, factor), shift) }),
});

const normalise =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend, inputs, attrs } = call;
    const { x, mean, variance, scale, offset } = inputs as Record<'x' | 'mean' | 'variance', tf.Tensor> & Record<string, tf.Tensor>;
    const columns = x.shape.at(-1) ?? 0;
    const vectors = [mean, variance, scale, offset].filter((vector) => vector !== null && vector !== undefined);
    if (columns === 0 || vectors.some((vector) => vector.rank !== 1 || vector.size !== columns)) return stock(call);
    const [means, variances] = [floatsOf(backend, mean), floatsOf(backend, variance)];
    const [scales, offsets] = [scale ? floatsOf(backend, scale) : null, offset ? floatsOf(backend, offset) : null];
    const factors = Float32Array.from(variances, (value, c) => (scales?.[c] ?? 1) / Math.sqrt(value + (attrs.varianceEpsilon as number)));
    const shifts = factors.map((factor, c) => (offsets?.[c] ?? 0) - means[c]! * factor);
    const y = backend.makeOutput([...x.shape], 'float32');
    const [factor, shift] = [makeVector(backend, factors), makeVector(backend, shifts)];
    const [xAt, yAt] = [addressOf(backend, x), addressOf(backend, y)];
    scaleAndShift(
      backend,
      { x: xAt, factor: addressOf(backend, factor), shift: addressOf(backend, shift), y: yAt },
      { rows: x.size / columns, columns },
    );
    for (const vector of [factor, shift]) backend.disposeData(vector.dataId);
    return y;
  };

export const batchNorms: readonly WasmKernel[] = [{ name: tf.FusedBatchNorm, build: (stock) => normalise(stock(tf.FusedBatchNorm)) }];
