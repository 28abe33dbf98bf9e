/** Which operations of TensorFlow a piece of work runs, on the engine `tensorflow`. */

import * as tf from '@tensorflow/tfjs-core';

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

export interface ExecutedOperation {
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly inputs: number;
}

interface Binding {
  readonly TF_ATTR_TYPE: number;
  executeOp(name: string, attributes: Attribute[], inputs: number[], outputs: unknown): unknown;
}

/** Every operation that runs in `work`, in order. Puts itself between tfjs's backend and its binding for that time. */
export function operationsOf(work: () => void): ExecutedOperation[] {
  const backend = tf.engine().backend as unknown as { binding: Binding };
  const { binding } = backend;
  const operations: ExecutedOperation[] = [];
  // The binding's methods are not writable: an object that inherits from it hides one of them.
  const executeOp: Binding['executeOp'] = (name, attributes, inputs, outputs) => {
    operations.push({ name, attributes, inputs: inputs.length });
    return binding.executeOp(name, attributes, inputs, outputs);
  };
  backend.binding = Object.create(binding, { executeOp: { value: executeOp } }) as Binding;
  try {
    work();
  } finally {
    backend.binding = binding;
  }
  return operations;
}
