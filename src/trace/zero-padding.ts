/**
 * Gives padding by zeros the name Pad. tfjs pads by the operation that takes the value to pad with; TensorFlow merges padding
 * into a convolution behind it, where nothing else reads the padded tensor, only when it is a Pad. The numbers are the same either way.
 */

import type { Operation, Recording } from './recording.js';

/** The recording with Pad where PadV2 pads with zeros. */
export function nameZeroPaddings(recording: Recording): Recording {
  const isZeroPadding = ({ op, inputs }: Operation) => {
    const value = inputs[2];
    return op === 'PadV2' && value?.from === 'constant' && recording.constants[value.index]?.data[0] === 0;
  };
  const rename = (operation: Operation): Operation => ({ ...operation, op: 'Pad', inputs: operation.inputs.slice(0, 2) });
  return { ...recording, operations: recording.operations.map((operation) => (isZeroPadding(operation) ? rename(operation) : operation)) };
}
