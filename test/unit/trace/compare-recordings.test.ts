import { expect, test } from 'vitest';
import { differenceOf } from '../../../src/trace/compare-recordings.js';
import { DATA_TYPE, type Operation, type Recording } from '../../../src/trace/recording.js';
import { SCALAR } from '../../support/recording-machine.js';

const add: Operation = {
  op: 'Add',
  attributes: [{ name: 'T', kind: 'type', value: DATA_TYPE.float32 }],
  inputs: [
    { from: 'feed', name: 'rate' },
    { from: 'constant', index: 0 },
  ],
  outputs: [SCALAR],
};
const recording: Recording = {
  feeds: { rate: SCALAR },
  variables: [SCALAR],
  constants: [{ dtype: DATA_TYPE.float32, shape: [2], data: Float32Array.of(1, 2) }],
  operations: [add],
  assignments: [{ from: 'operation', index: 0, output: 0 }],
  outputs: { loss: { from: 'operation', index: 0, output: 0 } },
};
const constant = (changes: object) => ({ constants: [{ ...recording.constants[0], ...changes }] }) as Partial<Recording>;
const operation = (changes: Partial<Operation>) => ({ operations: [{ ...add, ...changes }] });

const BAKED =
  'a tensor of shape [2], which goes into Add, is made in JavaScript with other values each time (a random draw, or a number that changes)';

test.each([
  ['nothing', {}, null],
  [
    'one more operation',
    { operations: [add, add] },
    'the step runs 1 operations one time and 2 another: it depends on the values of its inputs',
  ],
  ['an operation', operation({ op: 'Sub' }), 'the step runs Add one time and Sub another: it depends on the values of its inputs'],
  ['what goes in', operation({ inputs: [...add.inputs].reverse() }), 'the operation Add takes other values from one time to the next'],
  [
    'an attribute',
    operation({ attributes: [{ name: 'T', kind: 'type', value: DATA_TYPE.int32 }] }),
    'the operation Add has other attributes from one time to the next',
  ],
  ['the numbers of a constant', constant({ data: Float32Array.of(1, 3) }), BAKED],
  ['the shape of a constant', constant({ shape: [1, 2] }), BAKED],
  ['the type of a constant', constant({ dtype: DATA_TYPE.int32 }), BAKED],
  ['a constant that is missing', { constants: [] }, BAKED],
  ['what is assigned', { assignments: [null] }, 'the step changes other variables from one time to the next'],
  [
    'where a result is from',
    { outputs: { loss: { from: 'variable', index: 0 } } },
    'the results of the step come from other operations from one time to the next',
  ],
] as [string, Partial<Recording>, string | null][])('%s', (_, changes, difference) => {
  expect(differenceOf(recording, { ...recording, ...changes })).toBe(difference);
});

test('a constant that nothing takes is told without an operation', () => {
  const [first, second] = [1, 2].map((value) => ({
    ...recording,
    operations: [],
    assignments: [null],
    outputs: {},
    constants: [{ ...SCALAR, data: Float32Array.of(value) }],
  }));
  expect(differenceOf(first as Recording, second as Recording)).toContain('a tensor of shape [], is made in JavaScript');
});

test('numbers are compared by their bits: NaN is NaN, and 0 is not -0', () => {
  const withNumber = (value: number) => ({ ...recording, ...constant({ data: Float32Array.of(1, value) }) });
  expect(differenceOf(withNumber(Number.NaN), withNumber(Number.NaN))).toBeNull();
  expect(differenceOf(withNumber(0), withNumber(-0))).toBe(BAKED);
});
