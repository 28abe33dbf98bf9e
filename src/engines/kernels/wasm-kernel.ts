/**
 * What a kernel of this folder is. A kernel is written either with tfjs's own operations, inside `tf.tidy`, which disposes
 * everything but the answer; or as loops over the WebAssembly heap. Inside a kernel tfjs records no gradients.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/** What tfjs calls: named inputs and attributes in, one tensor out. The caller owns the answer. */
export type KernelBody = (call: {
  readonly inputs: Record<string, tf.Tensor>;
  readonly attrs: Record<string, unknown>;
  readonly backend: BackendWasm;
}) => tf.TensorInfo;

export interface WasmKernel {
  /** tfjs's name of the kernel. */
  readonly name: string;
  /** Makes the kernel. `stock` is tfjs's own, to fall back on; it throws when tfjs has none. */
  readonly build: (stock: KernelBody) => KernelBody;
}

/**
 * A float32 tensor's values on the heap, to read or to fill. The view is dead once the heap has grown: take it after the
 * last tensor has been made.
 */
export function floatsOf(backend: BackendWasm, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** Gives a fresh tensor another shape of the same size, without copying. */
export function relabel(backend: BackendWasm, tensor: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  backend.dataIdMap.get(tensor.dataId).shape = [...shape];
  return { ...tensor, shape: [...shape] };
}
