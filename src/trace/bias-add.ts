/**
 * Gives additions of a bias the name BiasAdd. tfjs adds a vector over the last axis by the operation that adds any two
 * tensors; TensorFlow merges an addition into the convolution before it, with the activation behind, only when it is a
 * BiasAdd. The numbers are the same either way.
 */

import { DATA_TYPE, type Operation, type Recording, typeOfValue } from './recording.js';

/** The recording with BiasAdd wherever a vector [C] is added to a tensor [..., C] of rank 2 or more. */
export function nameBiasAdds(recording: Recording): Recording {
  const isBiasAdd = ({ op, inputs }: Operation) => {
    if ((op !== 'Add' && op !== 'AddV2') || inputs.length !== 2) return false;
    const [values, bias] = inputs.map((input) => typeOfValue(recording, input));
    const isFloat = values?.dtype === DATA_TYPE.float32 || values?.dtype === DATA_TYPE.bfloat16;
    return isFloat && bias?.shape.length === 1 && values.shape.length > 1 && values.shape.at(-1) === bias.shape[0];
  };
  const rename = (operation: Operation): Operation => ({
    ...operation,
    op: 'BiasAdd',
    attributes: [...operation.attributes.filter(({ name }) => name === 'T'), { name: 'data_format', kind: 'string', value: 'NHWC' }],
  });
  return { ...recording, operations: recording.operations.map((operation) => (isBiasAdd(operation) ? rename(operation) : operation)) };
}
