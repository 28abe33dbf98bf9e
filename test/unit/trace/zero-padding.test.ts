import { expect, test } from 'vitest';
import { DATA_TYPE, type Operation, type Recording } from '../../../src/trace/recording.js';
import { nameZeroPaddings } from '../../../src/trace/zero-padding.js';

const FLOAT = DATA_TYPE.float32;

/** A vector of 3 with one more before it and two behind, of a value; null: one that is not known beforehand. */
function padding(value: number | null, op = 'PadV2'): Recording {
  const pad: Operation = {
    op,
    attributes: [
      { name: 'T', kind: 'type', value: FLOAT },
      { name: 'Tpaddings', kind: 'type', value: DATA_TYPE.int32 },
    ],
    inputs: [
      { from: 'feed', name: 'x' },
      { from: 'constant', index: 0 },
      value === null ? { from: 'feed', name: 'value' } : { from: 'constant', index: 1 },
    ],
    outputs: [{ dtype: FLOAT, shape: [6] }],
  };
  return {
    feeds: { x: { dtype: FLOAT, shape: [3] }, value: { dtype: FLOAT, shape: [] } },
    variables: [],
    constants: [
      { dtype: DATA_TYPE.int32, shape: [1, 2], data: Int32Array.of(1, 2) },
      { dtype: FLOAT, shape: [], data: Float32Array.of(value ?? 0) },
    ],
    operations: [pad],
    assignments: [],
    outputs: { y: { from: 'operation', index: 0, output: 0 } },
  };
}

test('padding by zeros goes without the value; all else stays', () => {
  const { operations, ...rest } = nameZeroPaddings(padding(0));
  const { operations: before, ...untouched } = padding(0);
  expect(operations).toEqual([{ ...before[0], op: 'Pad', inputs: before[0]!.inputs.slice(0, 2) }]);
  expect(rest).toEqual(untouched);
});

test.each([
  ['by another value', padding(-1)],
  ['by a value that comes with each call', padding(null)],
  ['in another way', padding(0, 'MirrorPad')],
])('padding %s is left alone', (_, recording) => {
  expect(nameZeroPaddings(recording)).toEqual(recording);
});
