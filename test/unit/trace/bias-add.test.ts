import { expect, test } from 'vitest';
import { nameBiasAdds } from '../../../src/trace/bias-add.js';
import { DATA_TYPE, type Operation, type Recording } from '../../../src/trace/recording.js';

const float = (...shape: number[]) => ({ dtype: DATA_TYPE.float32, shape });

function adding(a: readonly number[], b: readonly number[], op = 'Add', dtype: number = DATA_TYPE.float32): Recording {
  const sum: Operation = {
    op,
    attributes: [{ name: 'T', kind: 'type', value: dtype }],
    inputs: [
      { from: 'feed', name: 'a' },
      { from: 'feed', name: 'b' },
    ],
    outputs: [{ dtype, shape: a }],
  };
  const feeds = { a: { dtype, shape: a }, b: { dtype, shape: b } };
  return {
    feeds,
    variables: [],
    constants: [],
    operations: [sum],
    assignments: [],
    outputs: { sum: { from: 'operation', index: 0, output: 0 } },
  };
}

test.each([
  ['a convolution and its bias', [2, 4, 4, 3], [3], 'Add', 'BiasAdd'],
  ['a dense layer and its bias', [2, 3], [3], 'AddV2', 'BiasAdd'],
  ['a vector of one over three channels', [2, 3], [1], 'Add', 'Add'],
  ['two vectors', [3], [3], 'Add', 'Add'],
  ['the bias first', [3], [2, 3], 'Add', 'Add'],
  ['two tensors', [2, 3], [2, 3], 'AddV2', 'AddV2'],
  ['a scalar', [2, 3], [], 'AddV2', 'AddV2'],
  ['another operation', [2, 3], [3], 'Mul', 'Mul'],
])('%s', (_what, a, b, op, expected) => {
  expect(nameBiasAdds(adding(a, b, op)).operations.map((operation) => operation.op)).toEqual([expected]);
});

test('BiasAdd says its type and where the channels are; the rest stays', () => {
  const before = adding([2, 3], [3]);
  const { operations, ...rest } = nameBiasAdds(before);
  expect(operations[0]?.attributes).toEqual([
    { name: 'T', kind: 'type', value: DATA_TYPE.float32 },
    { name: 'data_format', kind: 'string', value: 'NHWC' },
  ]);
  expect(operations[0]?.outputs).toEqual([float(2, 3)]);
  const { operations: _operations, ...untouched } = before;
  expect(rest).toEqual(untouched);
});

test('whole numbers have no BiasAdd in the fast kernels: they are left alone', () => {
  expect(nameBiasAdds(adding([2, 3], [3], 'Add', DATA_TYPE.int32)).operations[0]?.op).toBe('Add');
});
