import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { firstNotFinite, hashState, hasSlotsOf, slotsIn, stateForColumn, withReplicaSlots } from '../../../src/tensor/state-tensors.js';

const parameters = Float32Array.of(1, -2, 3.5);
const slots = Float32Array.of(9);
const adapters = Float32Array.of(4, 5);
const plain = new Map([
  ['parameters', parameters],
  ['slots', slots],
]);
const sha256 = (...values: Float32Array[]): string => {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of values) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
};

describe('the hash of a state', () => {
  test('is that of its parameters, and not of its slots', () => {
    expect(hashState(plain)).toBe(sha256(parameters));
    expect(hashState(new Map(plain).set('slots', adapters))).toBe(sha256(parameters));
  });

  test('has the adapters behind the parameters, however the tensors are listed', () => {
    const expected = sha256(parameters, adapters);
    expect(hashState(new Map(plain).set('adapters', adapters))).toBe(expected);
    expect(hashState(new Map([['adapters', adapters], ...plain]))).toBe(expected);
  });

  test('is of the part of a buffer that the tensor is', () => {
    const part = Float32Array.of(0, 1, -2, 3.5, 0).subarray(1, 4);
    expect(hashState(new Map([['parameters', part]]))).toBe(sha256(parameters));
  });
});

test('a tensor that is not finite is named', () => {
  expect(firstNotFinite(plain)).toBeNull();
  expect(firstNotFinite(new Map(plain).set('slots', Float32Array.of(Number.NaN)))).toBe('slots');
});

describe('the optimisers of several replicas', () => {
  const [first, second, third] = [Float32Array.of(9), Float32Array.of(8), Float32Array.of(7)];
  const several = withReplicaSlots(
    plain,
    new Map([
      [2, third],
      [0, first],
      [1, second],
    ]),
  );

  test('that of the first column has the name of a single one', () => {
    expect([...several]).toEqual([...plain, ['slots.1', second], ['slots.2', third]]);
    expect(hashState(several)).toBe(hashState(plain));
    expect([slotsIn(plain), slotsIn(several)]).toEqual([1, 3]);
  });

  test.each([
    [null, first],
    [0, first],
    [1, second],
    [2, third],
    [3, first],
  ])('column %s goes on with its own, or with that of the first', (column, expected) => {
    expect([...stateForColumn(several, column)]).toEqual([...new Map(plain).set('slots', expected)]);
  });

  test('it is known which columns have one', () => {
    expect([0, 1, 2, 3].map((column) => hasSlotsOf(several, column))).toEqual([true, true, true, false]);
    expect(hasSlotsOf(new Map(plain).set('slots', new Float32Array(0)), 3), 'an optimiser without a state').toBe(true);
  });

  test('where that of the first column is missing, the lowest one stands in', () => {
    const rest = withReplicaSlots(
      plain,
      new Map([
        [1, second],
        [2, third],
      ]),
    );
    expect(stateForColumn(rest, 1).get('slots')).toBe(second);
    expect(stateForColumn(rest, 2).get('slots')).toBe(third);
  });
});
