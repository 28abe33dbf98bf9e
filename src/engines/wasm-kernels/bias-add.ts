/** Adds a vector to the last axis of a tensor, such as a bias, in one pass. tfjs's own kernel adds it pixel by pixel. */

import * as tf from '@tensorflow/tfjs-core';
import { columnLoopOn } from './column-loop.js';
import { addressOf } from './loop-module.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const addToColumns = columnLoopOn({
  reads: ['x'],
  columns: ['bias'],
  writes: ['y'],
  compute: ({ x, bias }, { add }) => ({ y: add(x, bias) }),
});

function isBiasOf(bias: tf.Tensor, x: tf.Tensor): boolean {
  return (
    bias.rank === 1 && x.rank > 1 && bias.size > 1 && bias.size === x.shape.at(-1) && bias.dtype === 'float32' && x.dtype === 'float32'
  );
}

const addBias =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend } = call;
    const { a, b } = call.inputs as Record<'a' | 'b', tf.Tensor>;
    const [x, bias] = isBiasOf(b, a) ? [a, b] : [b, a];
    if (!isBiasOf(bias, x)) return stock(call);
    const y = backend.makeOutput([...x.shape], 'float32');
    const addresses = { x: addressOf(backend, x), bias: addressOf(backend, bias), y: addressOf(backend, y) };
    addToColumns(backend, addresses, { rows: x.size / bias.size, columns: bias.size });
    return y;
  };

export const biasAdds: readonly WasmKernel[] = [{ name: tf.Add, build: (stock) => addBias(stock(tf.Add)) }];
