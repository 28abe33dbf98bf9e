/**
 * The types of the kernels in this folder, and helpers for them. A kernel calls tfjs's own operations inside `tf.tidy`, which
 * disposes everything but the answer; or it runs loops over the WebAssembly heap. Inside a kernel tfjs records no gradients.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/** The function that tfjs calls with named inputs and attributes. It answers one tensor or several; the caller owns them. */
export type KernelBody<Answer = tf.TensorInfo> = (call: {
  readonly inputs: Record<string, tf.Tensor>;
  readonly attrs: Record<string, unknown>;
  readonly backend: BackendWasm;
}) => Answer;

/** Answers tfjs's own kernel of a name, also when it was replaced. If tfjs has none, the answer throws when it is called. */
export type StockKernels = (name: string) => KernelBody;

export interface WasmKernel {
  /** tfjs's name of the kernel, or our own name when tfjs has no such kernel. */
  readonly name: string;
  readonly build: (stock: StockKernels) => KernelBody<tf.TensorInfo | tf.TensorInfo[]>;
}

/**
 * The values of a float32 tensor on the heap, to read or to write. The array is invalid once the heap has grown: take it
 * after the last tensor has been made.
 */
export function floatsOf(backend: BackendWasm, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** Makes a float32 tensor of the values; the caller disposes it. Like every new tensor, it may make the heap grow. */
export function makeVector(backend: BackendWasm, values: Float32Array): tf.TensorInfo {
  return backend.makeOutput([values.length], 'float32', undefined, values);
}

/** A part of a float32 tensor's data, with another shape. */
export interface View {
  readonly of: tf.TensorInfo;
  readonly shape: readonly number[];
  /** The index of the view's first number in the tensor's data; 0 when left out. */
  readonly offset?: number;
}

/**
 * Calls `use` with a view as a tensor, without a copy of the data. The view has an id of its own. When `use` returns, the
 * view is invalid, and everything that the backend has built for its id (packed matrices) is freed.
 */
export function withView<T>(backend: BackendWasm, { of, shape, offset = 0 }: View, use: (view: tf.Tensor) => T): T {
  const view = backend.makeOutput([...shape], 'float32', backend.getMemoryOffset(of.dataId) + 4 * offset);
  try {
    return use(view as tf.Tensor);
  } finally {
    // The backend's own disposeData would free the tensor's memory as well.
    backend.wasm.tfjs.disposeData(backend.dataIdMap.get(view.dataId).id);
    backend.dataIdMap.delete(view.dataId);
  }
}
