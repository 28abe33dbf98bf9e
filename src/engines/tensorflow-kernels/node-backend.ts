/** The part of tfjs-node's backend that the kernels of this folder use: it runs one operation of TensorFlow. Owns no state. */

import type * as tf from '@tensorflow/tfjs-core';

/** The native binding's numbers for the kinds of attributes. The binding has more members than these. */
interface Binding {
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
}

interface OperationAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** tfjs-node's backend; its package exports no type for it. The caller owns inputs and outputs. */
export interface NodeBackend {
  readonly binding: Binding;
  getDTypeInteger(dtype: tf.DataType): number;
  executeSingleOutput(name: string, attributes: readonly OperationAttribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
  /** Takes the operation's name, its attributes, its inputs and the number of its outputs. */
  executeMultipleOutputs(...call: [string, readonly OperationAttribute[], readonly tf.TensorInfo[], number]): tf.Tensor[];
}

export interface KernelCall {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: NodeBackend;
}

/** A kernel for the backend `tensorflow`. The caller owns the tensors that it returns. */
export interface TensorflowKernel {
  /** tfjs's name of the kernel, or our own name when tfjs has no such kernel. */
  readonly name: string;
  readonly run: (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[];
}

/** Attributes by TensorFlow's names. A type is given by tfjs's name for it. */
export interface Attributes {
  readonly types?: Readonly<Record<string, tf.DataType>>;
  readonly floats?: Readonly<Record<string, number>>;
  readonly ints?: Readonly<Record<string, number | readonly number[]>>;
  readonly strings?: Readonly<Record<string, string>>;
  readonly bools?: Readonly<Record<string, boolean>>;
}

/** Converts attributes to the list that the binding takes. */
export function attributesFor(
  backend: NodeBackend,
  { types = {}, floats = {}, ints = {}, strings = {}, bools = {} }: Attributes,
): OperationAttribute[] {
  const { binding } = backend;
  const list = (values: Readonly<Record<string, unknown>>, type: number) =>
    Object.entries(values).map(([name, value]) => ({ name, type, value }));
  const numbers = Object.fromEntries(Object.entries(types).map(([name, dtype]) => [name, backend.getDTypeInteger(dtype)]));
  return [
    ...list(numbers, binding.TF_ATTR_TYPE),
    ...list(floats, binding.TF_ATTR_FLOAT),
    ...list(ints, binding.TF_ATTR_INT),
    ...list(strings, binding.TF_ATTR_STRING),
    ...list(bools, binding.TF_ATTR_BOOL),
  ];
}
