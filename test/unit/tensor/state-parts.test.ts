/** A state in parts: the parts in order are the state, and nothing else is. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerPart,
  elementsOf,
  layoutOf,
  layoutProblem,
  PART_ELEMENTS,
  partFromWire,
  partsOf,
  partToWire,
  piecesOf,
  StateAssembly,
} from '../../../src/tensor/state-parts.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';

const stateWith = (parameters: number, adapters: number, slots: number): StateTensors => {
  const from = (start: number, length: number) => Float32Array.from({ length }, (_, i) => start + i);
  return new Map([
    ['parameters', from(0, parameters)],
    ['adapters', from(1_000, adapters)],
    ['slots', from(2_000, slots)],
  ]);
};
const small = stateWith(5, 3, 4);
const layout = layoutOf(small);

test('a part is the pieces of the tensors that it covers', () => {
  expect(elementsOf(layout)).toBe(12);
  expect(piecesOf(layout, { start: 4, end: 9 })).toEqual([
    { name: 'parameters', size: 5, start: 4, end: 5 },
    { name: 'adapters', size: 3, start: 0, end: 3 },
    { name: 'slots', size: 4, start: 0, end: 1 },
  ]);
  expect(piecesOf(layout, { start: 12, end: 20 })).toEqual([]);
  const wire = partToWire(small, { start: 4, end: 9 });
  expect(wire.map(({ name, shape, data }) => [name, shape, [...data]])).toEqual([
    ['parameters', [1], [4]],
    ['adapters', [3], [1_000, 1_001, 1_002]],
    ['slots', [1], [2_000]],
  ]);
  expect(wire[0]?.data.buffer, 'a view').toBe(small.get('parameters')?.buffer);
});

test('an answer has as much of what was asked for as one message carries', () => {
  const large = stateWith(PART_ELEMENTS, 0, 3);
  const { part, pieces } = answerPart(large, { start: 1, end: 2 ** 40 });
  expect(part).toEqual({ layout: layoutOf(large), start: 1 });
  expect(pieces.map(({ data }) => data.length)).toEqual([PART_ELEMENTS - 1, 1]);
});

test('the parts, one after the other, are the state', () => {
  fc.assert(
    fc.property(fc.nat(9), fc.nat(9), fc.nat(9), fc.integer({ min: 1, max: 12 }), (parameters, adapters, slots, elements) => {
      const state = stateWith(parameters, adapters, slots);
      const assembly = new StateAssembly(layoutOf(state));
      for (const part of partsOf(layoutOf(state), elements)) {
        expect(part.end - part.start).toBeLessThanOrEqual(elements);
        expect(assembly.take(part.start, partToWire(state, part))).toBe(null);
      }
      expect(assembly.isWhole).toBe(true);
      expect(assembly.tensors()).toEqual(state);
    }),
  );
});

test('a tensor that comes whole is not copied', () => {
  const assembly = new StateAssembly(layout);
  assembly.take(0, partToWire(small, { start: 0, end: 9 }));
  assembly.take(9, partToWire(small, { start: 9, end: 12 }));
  const tensors = assembly.tensors();
  expect(['parameters', 'adapters', 'slots'].map((name) => tensors.get(name)?.buffer === small.get(name)?.buffer)).toEqual([
    true,
    true,
    false,
  ]);
});

describe('a part that is refused', () => {
  const float = (name: string, length: number): WireTensor => ({ name, dtype: 'float32', shape: [length], data: new Float32Array(length) });
  const bytes: WireTensor = { name: 'adapters', dtype: 'uint8', shape: [3], data: new Uint8Array(3) };

  test.each<[string, WireTensor[], RegExp]>([
    ['nothing', [], /\(none\) are not those from 5 on of a state of 12/],
    ['a tensor before it', [float('parameters', 1)], /1 of parameters/],
    ['a tensor after it', [float('slots', 3)], /3 of slots/],
    ['a gap', [float('adapters', 2), float('slots', 1)], /2 of adapters, 1 of slots/],
    ['another order', [float('slots', 1), float('adapters', 3)], /are not those/],
    ['a tensor twice', [float('adapters', 1), float('adapters', 2)], /are not those/],
    ['more than there is', [float('adapters', 3), float('slots', 5)], /are not those/],
    ['an unknown tensor', [float('other', 3)], /are not those/],
    ['an empty piece', [float('adapters', 3), float('slots', 0)], /are not those/],
    ['bytes', [bytes], /the tensor adapters is not float32 of one axis/],
    ['two axes', [{ ...float('adapters', 3), shape: [1, 3] }], /the tensor adapters is not float32 of one axis/],
  ])('%s', (_, wire, message) => {
    expect(partFromWire(layout, 5, wire)).toMatch(message);
    const assembly = new StateAssembly(layout);
    assembly.take(0, partToWire(small, { start: 0, end: 5 }));
    expect(assembly.take(5, wire)).toMatch(message);
    // Nothing of it was taken.
    expect(assembly.take(5, partToWire(small, { start: 5, end: 12 }))).toBe(null);
    expect(assembly.tensors()).toEqual(small);
  });

  test('one of a layout with a name twice', () => {
    const twice = [
      { name: 'slots', size: 1 },
      { name: 'slots', size: 3 },
    ];
    expect(new StateAssembly(twice).take(0, [float('slots', 1)])).toBe('there are two tensors slots');
  });

  test('one from elsewhere', () => {
    expect(new StateAssembly(layout).take(5, partToWire(small, { start: 5, end: 6 }))).toBe(
      'the part begins at the element 5, and not at 0',
    );
  });
});

test.each<[string, string[], string]>([
  ['no slots', ['parameters'], 'there is no tensor slots'],
  ['no parameters', ['slots'], 'there is no tensor parameters'],
  ['a name twice', ['parameters', 'parameters'], 'there are two tensors parameters'],
  [
    'adapters before the parameters',
    ['adapters', 'parameters', 'slots'],
    "the tensors adapters, parameters are not in the order of the state's hash",
  ],
])('%s is no state', (_, names, problem) => {
  expect(layoutProblem(names.map((name) => ({ name, size: 1 })))).toBe(problem);
});

test('more elements than a state has are no state', () => {
  expect(layoutProblem(layout)).toBe(null);
  expect(layoutProblem([...layout, { name: 'slots.1', size: 2 ** 40 }])).toBe('1099511627788 elements are more than a state has');
});
