/**
 * Identity and Cast without a copy. tfjs saves tensors for the backward pass with Identity, and casts float to float. Here
 * both answer the same data with one more reference. This is safe, because no kernel writes to its inputs.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const shareUnlessString =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { x } = call.inputs as { x: tf.Tensor };
    const dtype = call.attrs?.dtype ?? x.dtype;
    if (dtype === 'string' || dtype !== x.dtype) return stock(call);
    call.backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  };

export const identityCasts: readonly WasmKernel[] = [tf.Identity, tf.Cast].map((name) => ({
  name,
  build: (stock) => shareUnlessString(stock(name)),
}));
