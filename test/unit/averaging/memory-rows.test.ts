import { expect, test } from 'vitest';
import { mergeMemory, packedSize, packMemory } from '../../../src/averaging/memory-rows.js';
import { layoutArena } from '../../../src/tensor/arena.js';

const item = (name: string, kind: 'kernel' | 'memory', shape: readonly number[]) => ({ name, kind, shape, trainable: kind === 'kernel' });
/** A weight; then rows of two elements, a number, and rows of one element, of four samples. */
const schema = layoutArena({
  model: [item('w', 'kernel', [1])],
  adapters: [],
  memory: [item('rows', 'memory', [4, 2]), item('z', 'memory', []), item('more', 'memory', [4, 1])],
  digest: (text) => text,
});
const arena = (from: number, z: number): Float32Array =>
  Float32Array.of(99, ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => from + i), z, ...[8, 9, 10, 11].map((i) => from + i));
const part = (samples: readonly number[], from: number, z: number) => ({
  samples: Int32Array.from(samples),
  packed: packMemory(schema, arena(from, z), Int32Array.from(samples)),
});

test('the memory lies behind what is averaged', () => {
  expect(schema.averaged).toBe(1);
  expect(schema.size).toBe(14);
});

test('a replica packs the rows of its samples, in their order, and the numbers', () => {
  expect(packedSize(schema, 2)).toBe(2 * 2 + 1 + 2);
  expect([...packMemory(schema, arena(100, 5), Int32Array.of(3, 1))]).toEqual([106, 107, 102, 103, 5, 111, 109]);
});

test('without a memory there is nothing to pack', () => {
  const plain = layoutArena({ model: [item('w', 'kernel', [3])], adapters: [], memory: [], digest: (text) => text });
  expect(plain.averaged).toBe(plain.size);
  expect(packedSize(plain, 7)).toBe(0);
});

test('each row is that of the replica that has trained its sample; the others stay', () => {
  const merged = mergeMemory(schema, arena(0, 7), [part([3], 100, 7), part([0, 2], 200, 7)]);
  expect([...merged]).toEqual([200, 201, 2, 3, 204, 205, 106, 107, 7, 208, 9, 210, 111]);
});

test('a sample that a round of more than an epoch has twice travels twice, and its row is the same', () => {
  const [once, twice] = [part([1, 2], 100, 5), part([1, 2, 1], 100, 5)];
  expect(twice.packed.length).toBe(once.packed.length + 3);
  expect(mergeMemory(schema, arena(0, 7), [twice])).toEqual(mergeMemory(schema, arena(0, 7), [once]));
  // Two replicas that have it, each in an epoch: the row of the later one of the list.
  const merged = mergeMemory(schema, arena(0, 7), [part([1, 2, 1], 100, 5), part([3, 1], 200, 5)]);
  expect(merged).toEqual(mergeMemory(schema, arena(0, 7), [part([2], 100, 5), part([3, 1], 200, 5)]));
});

test('a number that was not set becomes the mean; one that was stays, whatever the replicas have', () => {
  const numberAfter = (before: number) => mergeMemory(schema, arena(0, before), [part([3], 100, 2), part([0], 200, 5)])[8];
  expect(numberAfter(0)).toBe(3.5);
  expect(numberAfter(7)).toBe(7);
});

test('the base and the parts are as they were', () => {
  const base = arena(0, 0);
  const own = part([1], 100, 3);
  const before = [...own.packed];
  mergeMemory(schema, base, [own]);
  expect([...base]).toEqual([...arena(0, 0)]);
  expect([...own.packed]).toEqual(before);
});

test('a part of another size is a mistake of the caller', () => {
  const short = { samples: Int32Array.of(1, 2), packed: part([1], 0, 0).packed };
  expect(() => mergeMemory(schema, arena(0, 0), [short])).toThrow('4 elements of the memory for 2 samples, not 7');
});
