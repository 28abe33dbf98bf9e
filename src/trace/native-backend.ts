/**
 * The internals of tfjs-node that the trace uses: its backend object and the native binding in it. They are not part of
 * tfjs's interface; the version is pinned, and only this file and that of the kernels, src/engines/tensorflow-kernels/node-backend.ts,
 * name them.
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert } from '../base/assert.js';

/** An attribute as tfjs-node passes it: `type` is a number of TF_AttrType. */
export interface NativeAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** A handle to a native tensor. Its number is never used again. */
export interface NativeTensor {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: number;
}

export type NativeArray = Float32Array | Int32Array | Uint8Array;

/** An operation by TensorFlow's name, on tensors by their numbers; `outputs` is the number of its outputs. */
export type OperationCall = [op: string, attributes: readonly NativeAttribute[], inputs: readonly number[], outputs: number];

/** A loaded model by its number, on tensors by their numbers. `inputs` and `outputs` are names of values, `node:0`, with commas between. */
export type SavedModelCall = [model: number, tensors: readonly number[], inputs: string, outputs: string];

export interface NativeBinding {
  executeOp(...call: OperationCall): NativeTensor[];
  /** The binding may use the array's memory until the tensor is deleted. */
  createTensor(shape: readonly number[], dtype: number, values: NativeArray): number;
  deleteTensor(id: number): void;
  /** A copy. */
  tensorDataSync(id: number): NativeArray;
  loadSavedModel(folder: string, tags: string): number;
  deleteSavedModel(id: number): void;
  runSavedModel(...call: SavedModelCall): NativeTensor[];
}

export interface NativeBackend {
  binding: NativeBinding;
  /** The handles of tensors; makes those that do not exist yet. */
  getInputTensorIds(tensors: readonly tf.Tensor[]): number[];
  executeSingleOutput(op: string, attributes: readonly NativeAttribute[], inputs: readonly tf.Tensor[]): tf.Tensor;
  typeAttributeFromTensor(tensor: tf.Tensor): number;
}

/** The backend of the engine `tensorflow`. Asserts that this engine is open. */
export function nativeBackend(): NativeBackend {
  assert(tf.getBackend() === 'tensorflow', `the engine tensorflow is not open: tfjs runs on ${tf.getBackend()}`);
  return tf.backend() as unknown as NativeBackend;
}
