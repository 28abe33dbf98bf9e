/** Matrix products with a transposed factor: tfjs's run at a tenth of the speed or less, so the factor is transposed first. */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

function transposeFirst(stock: KernelBody): KernelBody {
  return (call) => {
    const { transposeA, transposeB } = call.attrs;
    if (!transposeA && !transposeB) return stock(call);
    const { a, b } = call.inputs as { a: tf.Tensor; b: tf.Tensor };
    const left = transposeA ? turn(a) : a;
    const right = transposeB ? turn(b) : b;
    const product = stock({
      ...call,
      inputs: { ...call.inputs, a: left, b: right },
      attrs: { ...call.attrs, transposeA: false, transposeB: false },
    });
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

export const matrixProducts: readonly WasmKernel[] = [tf.BatchMatMul, tf._FusedMatMul].map((name) => ({ name, build: transposeFirst }));
