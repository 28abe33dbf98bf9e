/**
 * Matrix products by tfjs's own kernel, with two changes for training. First, that kernel runs at a tenth of the speed or
 * less with a transposed factor, so the factor is transposed before it. Second, it packs the second factor, keeps the packed
 * copy as long as the tensor's data lives, and looks it up by the data's id alone. So a reshaped view of the same data would
 * be multiplied in the first shape, and a batch would stay in memory twice. Therefore each product gets its second factor
 * under an id of its own.
 */

import * as tf from '@tensorflow/tfjs-core';
import { type KernelBody, type WasmKernel, withView } from './wasm-kernel.js';

function multiply(stock: KernelBody): KernelBody {
  return (call) => {
    const { transposeA, transposeB } = call.attrs;
    const { a, b } = call.inputs as { a: tf.Tensor; b: tf.Tensor };
    const left = transposeA ? turn(a) : a;
    const right = transposeB ? turn(b) : b;
    const attrs = { ...call.attrs, transposeA: false, transposeB: false };
    const product = withView(call.backend, { of: right, shape: right.shape }, (view) =>
      stock({ ...call, inputs: { ...call.inputs, a: left, b: view }, attrs }),
    );
    if (left !== a) left.dispose();
    if (right !== b) right.dispose();
    return product;
  };
}

/** Transposes the last two axes. The caller disposes the answer. */
function turn(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

export const matrixProducts: readonly WasmKernel[] = [tf.BatchMatMul, tf._FusedMatMul].map((name) => ({
  name,
  build: (stock) => multiply(stock(name)),
}));
