/**
 * Matrix products, around tfjs's own. Two things of it do not do for training: with a transposed factor it runs at a tenth of
 * the speed or less, so the factor is transposed first; and it keeps the second factor, packed, for as long as that tensor's
 * data lives, and finds it again by the data alone. A reshaped view of the same data would then be multiplied as if it had the
 * first shape, and a batch would stay in memory twice. So each product sees its second factor under an id of its own.
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

/** The last two axes changed over; the caller disposes it. */
function turn(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

export const matrixProducts: readonly WasmKernel[] = [tf.BatchMatMul, tf._FusedMatMul].map((name) => ({
  name,
  build: (stock) => multiply(stock(name)),
}));
