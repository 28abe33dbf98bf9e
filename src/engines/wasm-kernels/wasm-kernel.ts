/**
 * What a kernel of this folder is. A kernel is written either with tfjs's own operations, inside `tf.tidy`, which disposes
 * everything but the answer; or as loops over the WebAssembly heap. Inside a kernel tfjs records no gradients.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/** What tfjs calls: named inputs and attributes in, one tensor out, or several. The caller owns the answer. */
export type KernelBody<Answer = tf.TensorInfo> = (call: {
  readonly inputs: Record<string, tf.Tensor>;
  readonly attrs: Record<string, unknown>;
  readonly backend: BackendWasm;
}) => Answer;

/** tfjs's own kernel of a name, whatever has been put in its place. It throws when called if tfjs has none. */
export type StockKernels = (name: string) => KernelBody;

export interface WasmKernel {
  /** tfjs's name of the kernel. */
  readonly name: string;
  readonly build: (stock: StockKernels) => KernelBody<tf.TensorInfo | tf.TensorInfo[]>;
}

/**
 * A float32 tensor's values on the heap, to read or to fill. The view is dead once the heap has grown: take it after the
 * last tensor has been made.
 */
export function floatsOf(backend: BackendWasm, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** A tensor of the numbers, the caller's to dispose. Like every new tensor it may let the heap grow. */
export function makeVector(backend: BackendWasm, values: Float32Array): tf.TensorInfo {
  return backend.makeOutput([values.length], 'float32', undefined, values);
}

/** Part of a float32 tensor's data, under another shape. */
export interface View {
  readonly of: tf.TensorInfo;
  readonly shape: readonly number[];
  /** The first element, counted in float32 from the tensor's own first. */
  readonly offset?: number;
}

/**
 * Calls `use` with a view as a tensor, without copying. The view has an id of its own, and
 * what the backend has built for that id (packed matrices) goes with it; it is dead when `use` returns.
 */
export function withView<T>(backend: BackendWasm, { of, shape, offset = 0 }: View, use: (view: tf.Tensor) => T): T {
  const view = backend.makeOutput([...shape], 'float32', backend.getMemoryOffset(of.dataId) + 4 * offset);
  try {
    return use(view as tf.Tensor);
  } finally {
    // Not the backend's disposeData, which would free the tensor's memory as well.
    backend.wasm.tfjs.disposeData(backend.dataIdMap.get(view.dataId).id);
    backend.dataIdMap.delete(view.dataId);
  }
}
