/** OneHot for every type. tfjs's own kernel writes int32 numbers for every type and labels them with the wanted one. */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const castLast =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { dtype, onValue, offValue } = call.attrs as { dtype: tf.DataType; onValue: number; offValue: number };
    if (dtype === 'int32') return stock(call);
    return tf.tidy(() => {
      const { indices } = call.inputs as { indices: tf.Tensor };
      const hot = tf.cast(tf.oneHot(indices, call.attrs.depth as number), 'float32');
      return tf.cast(tf.add(tf.mul(hot, onValue - offValue), offValue), dtype);
    });
  };

export const oneHots: readonly WasmKernel[] = [{ name: tf.OneHot, build: (stock) => castLast(stock(tf.OneHot)) }];
