import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { firstNotFinite, hashState, stateFromWire, stateToWire } from '../../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';

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

describe('over the wire', () => {
  test.each([[plain], [new Map(plain).set('adapters', adapters)]])('%s come back by name', (tensors) => {
    expect(stateFromWire(stateToWire(tensors))).toEqual(tensors);
  });

  const wire = (name: string, data: WireTensor['data'], shape = [data.length]): WireTensor => ({
    name,
    dtype: data instanceof Float32Array ? 'float32' : 'uint8',
    shape,
    data,
  });
  test.each([
    ['no slots', [wire('parameters', parameters)], 'there is no tensor slots'],
    ['no parameters', [wire('slots', slots)], 'there is no tensor parameters'],
    ['a name twice', [wire('parameters', parameters), wire('parameters', slots)], 'there are two tensors parameters'],
    ['bytes', [wire('parameters', Uint8Array.of(1))], 'the tensor parameters is not float32 of one axis'],
    ['two axes', [wire('parameters', parameters, [1, 3])], 'the tensor parameters is not float32 of one axis'],
    [
      'adapters before the parameters',
      [wire('adapters', adapters), wire('parameters', parameters), wire('slots', slots)],
      "the tensors adapters, parameters are not in the order of the state's hash",
    ],
  ])('%s is no state', (_, tensors, problem) => {
    expect(stateFromWire(tensors)).toBe(problem);
  });
});
