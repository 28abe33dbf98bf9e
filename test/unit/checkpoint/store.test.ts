/** The store on a real disk: what goes in comes out, damage is named and marked, retention keeps the last good one. */

import { appendFile, mkdtemp, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asTerm } from '../../../src/base/ids.js';
import { CHUNK_BYTES } from '../../../src/checkpoint/atomic-folder.js';
import { type FileSystem, nodeFileSystem } from '../../../src/checkpoint/file-system.js';
import type { CheckpointContent } from '../../../src/checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { layoutOf, piecesOf } from '../../../src/tensor/state-parts.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { contentOf, putInParts, sha256, stateOf } from './content.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse store '));
});
afterEach(() => rm(folder, { recursive: true }));

const withTensor = (content: CheckpointContent, name: string, values: Float32Array): CheckpointContent => {
  return { ...content, tensors: new Map(content.tensors).set(name, values) };
};
const tensorOf = (content: CheckpointContent, name: string): Float32Array => content.tensors.get(name) as Float32Array;
const filesIn = (parent: string): Promise<string[]> => readdir(parent, { recursive: true });

describe('put and get', () => {
  test('what was put comes back, in this process and in the next', async () => {
    const store = await openCheckpointStore(folder);
    expect(await store.put(contentOf(1))).toEqual({ stored: true, checkpoint: contentOf(1).info });
    expect(await store.get(stateOf(1))).toEqual(contentOf(1));
    expect(await (await openCheckpointStore(folder)).get(stateOf(1))).toEqual(contentOf(1));
  });

  test('after the folder was deleted nothing of it is made anew', async () => {
    const checkpoints = join(folder, 'run', 'checkpoints');
    const store = await openCheckpointStore(checkpoints);
    await rm(join(folder, 'run'), { recursive: true });
    await expect(store.put(contentOf(1))).rejects.toMatchObject({ code: 'checkpoint.unwritable' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('an empty slot arena is fine', async () => {
    const store = await openCheckpointStore(folder);
    await store.put(withTensor(contentOf(1), 'slots', new Float32Array(0)));
    expect((await store.get(stateOf(1))).tensors.get('slots')).toEqual(new Float32Array(0));
  });

  test('a further tensor comes back too, and one that replicas share is in the hash', async () => {
    const store = await openCheckpointStore(folder);
    const plain = withTensor(contentOf(1), 'adapters', Float32Array.of(1, 2, 3));
    expect(await store.put(plain)).toMatchObject({ stored: false, reason: 'invalid-message' });
    const whole = { ...plain, info: { ...plain.info, hash: hashState(plain.tensors) } };
    expect(await store.put(whole)).toMatchObject({ stored: true });
    expect(await store.get(stateOf(1))).toEqual(whole);
    const next = await openCheckpointStore(folder);
    expect(await next.get(stateOf(1))).toEqual(whole);
  });

  test('the parts of two peers of a round are two checkpoints', async () => {
    const store = await openCheckpointStore(folder);
    const [small, big] = ['small', 'big'].map((peer) => contentOf(1, { state: { ...stateOf(1), peer } }));
    await store.put(small!);
    await store.put(big!);
    expect((await readdir(join(folder, 'base/1'))).sort()).toEqual(['big', 'small']);
    expect(await store.retain('base', [1])).toEqual([]);
    await store.put(contentOf(2));
    expect(await store.retain('base', [2])).toEqual([1]);
    expect(await readdir(join(folder, 'base'))).toEqual(['2']);
  });

  test('the same again is stored already; the same name with other contents is refused', async () => {
    const store = await openCheckpointStore(folder);
    const first = store.put(contentOf(1));
    expect(await store.put(contentOf(1))).toMatchObject({ stored: true });
    await first;
    const other = { ...contentOf(2), info: { ...contentOf(2).info, state: stateOf(1) } };
    expect(await store.put(other)).toMatchObject({ stored: false, reason: 'failed' });
    expect(await store.get(stateOf(1))).toEqual(contentOf(1));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d, naming the place', async (value) => {
    const store = await openCheckpointStore(folder);
    for (const array of ['parameters', 'slots'] as const) {
      const content = contentOf(1);
      tensorOf(content, array)[5] = value;
      const info = { ...content.info, hash: sha256(tensorOf(content, 'parameters')) };
      const outcome = await store.put({ ...content, info });
      expect(outcome).toEqual({ stored: false, reason: 'not-finite', message: `base/1/model: ${array}[5] is ${value}` });
    }
    expect((await filesIn(folder)).filter((name) => name.includes('.'))).toEqual([]);
  });

  test('refuses parameters that do not hash to what they claim', async () => {
    const store = await openCheckpointStore(folder);
    expect(await store.put(contentOf(1, { hash: 'a'.repeat(64) }))).toMatchObject({ stored: false, reason: 'invalid-message' });
    expect((await filesIn(folder)).filter((name) => name.includes('.'))).toEqual([]);
  });

  test('refuses an older term than the newest stored', async () => {
    await (await openCheckpointStore(folder)).put(contentOf(1, { term: asTerm(3) }));
    const store = await openCheckpointStore(folder);
    expect(await store.put(contentOf(2, { term: asTerm(2) }))).toMatchObject({ stored: false, reason: 'old-term' });
    expect(await store.put(contentOf(2, { term: asTerm(3) }))).toMatchObject({ stored: true });
  });

  test('a newer term replaces what an older one stored under the same id', async () => {
    await (await openCheckpointStore(folder)).put(contentOf(1));
    const store = await openCheckpointStore(folder);
    const other = { ...contentOf(2), info: { ...contentOf(2).info, state: stateOf(1), term: asTerm(2) } };
    expect(await store.put(other)).toMatchObject({ stored: true });
    expect(await store.get(stateOf(1))).toEqual(other);
    expect(await (await openCheckpointStore(folder)).get(stateOf(1))).toEqual(other);
  });

  test('one that is not there is missing', async () => {
    const store = await openCheckpointStore(folder);
    await expect(store.get(stateOf(9))).rejects.toMatchObject({ code: 'checkpoint.missing' });
  });

  test('one in parts of a few elements is the same files as one in one part', async () => {
    const folders = [join(folder, 'whole'), join(folder, 'parts')];
    for (const [i, elements] of [1e6, 3].entries()) {
      const store = await openCheckpointStore(folders[i]!);
      expect(await putInParts(store, contentOf(1), elements)).toEqual({ stored: true, checkpoint: contentOf(1).info });
      expect(await store.get(stateOf(1))).toEqual(contentOf(1));
    }
    const [whole, parts] = await Promise.all(folders.map(async (one) => (await filesIn(one)).sort()));
    expect(parts).toEqual(whole);
    for (const name of whole!.filter((file) => file.includes('.'))) {
      const [a, b] = await Promise.all(folders.map((one) => readFile(join(one, name))));
      expect(b!.equals(a!), name).toBe(true);
    }
  });

  test.each([
    ['a NaN in a later part', 'not-finite', (values: Float32Array) => values.fill(Number.NaN, 50, 51), /parameters\[50\] is NaN/],
    ['another number in a later part', 'invalid-message', (values: Float32Array) => values.fill(7, 50, 51), /hashes to/],
  ])('%s is refused, and nothing of it is left', async (_, reason, change, message) => {
    const store = await openCheckpointStore(folder);
    const content = contentOf(1);
    change(tensorOf(content, 'parameters'));
    expect(await putInParts(store, content, 20)).toEqual({ stored: false, reason, message: expect.stringMatching(message) });
    expect((await filesIn(folder)).filter((name) => name.includes('.'))).toEqual([]);
    expect(await putInParts(store, contentOf(1), 20)).toMatchObject({ stored: true });
  });

  test('one under way is gone after a sweep, and its next part is refused', async () => {
    const store = await openCheckpointStore(folder);
    const { info, tensors } = contentOf(1);
    const layout = layoutOf(tensors);
    const [first, second] = [
      { start: 0, end: 40 },
      { start: 40, end: 80 },
    ].map((range) => {
      const pieces = piecesOf(layout, range).map((piece) => ({ ...piece, data: tensors.get(piece.name)!.slice(piece.start, piece.end) }));
      return { info, layout, start: range.start, pieces, topology: null };
    });
    expect(await store.putPart(first!)).toEqual({ stored: 'part' });
    expect((await filesIn(folder)).filter((name) => name.includes('.unfinished'))).not.toEqual([]);
    await store.sweep();
    expect(await filesIn(folder)).toEqual([]);
    expect(await store.putPart(second!)).toMatchObject({ stored: false, reason: 'missing' });
  });

  test('a large one does not hold up the event loop: it turns before each chunk of some megabytes', async () => {
    const written: { readonly bytes: number; readonly turn: number }[] = [];
    let turn = 0;
    const create: FileSystem['create'] = async (path) => {
      const file = await nodeFileSystem.create(path);
      const write = (bytes: Uint8Array): Promise<void> => {
        written.push({ bytes: bytes.byteLength, turn });
        return file.write(bytes);
      };
      return { ...file, write };
    };
    const store = await openCheckpointStore(folder, { ...nodeFileSystem, create });
    const parameters = new Float32Array(8_000_000).fill(0.5);
    const content = withTensor(contentOf(1, { hash: sha256(parameters) }), 'parameters', parameters);
    let counter = setImmediate(function count() {
      turn++;
      counter = setImmediate(count);
    });
    await store.put(content);
    clearImmediate(counter);
    expect(written.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(parameters.byteLength);
    expect(Math.max(...written.map(({ bytes }) => bytes))).toBeLessThanOrEqual(4 * 2 ** 20);
    expect(new Set(written.map((one) => one.turn)).size).toBe(written.length);
  });
});

describe('list and retain', () => {
  test('the whole ones come highest round first', async () => {
    const store = await openCheckpointStore(folder);
    for (const round of [9, 10, 2]) await store.put(contentOf(round));
    expect(store.list().whole.map(({ state }) => state.round)).toEqual([10, 9, 2]);
  });

  test('removes the others of the stage only', async () => {
    const store = await openCheckpointStore(folder);
    for (const round of [1, 2, 3]) await store.put(contentOf(round));
    await store.put(contentOf(4, { state: stateOf(4, 'other') }));
    expect(await store.retain('base', [3])).toEqual([1, 2]);
    expect(await readdir(join(folder, 'base'))).toEqual(['3']);
    expect(await readdir(join(folder, 'other'))).toEqual(['4']);
  });

  test('removes nothing when none of those to keep is whole', async () => {
    const store = await openCheckpointStore(folder);
    await store.put(contentOf(1));
    await store.put(contentOf(2));
    await truncate(join(folder, 'base/2/model', 'slots.bin'), 3);
    const next = await openCheckpointStore(folder);
    expect(await next.retain('base', [2])).toEqual([]);
    expect(await next.get(stateOf(1))).toEqual(contentOf(1));
  });
});

describe('damage', () => {
  const FILES = ['topology.json', 'parameters.bin', 'slots.bin', 'manifest.json'] as const;

  /** The second checkpoint is damaged: it is named with its file, and the first is used. */
  async function expectDamaged(file: string): Promise<void> {
    const store = await openCheckpointStore(folder);
    expect(store.list().whole.map(({ state }) => state)).toEqual([stateOf(1)]);
    expect(store.list().damaged).toEqual([{ place: 'base/2/model', message: expect.stringContaining(join('base/2/model', file)) }]);
    await expect(store.get(stateOf(2))).rejects.toMatchObject({ code: 'checkpoint.damaged' });
    expect(await store.get(stateOf(1))).toEqual(contentOf(1));
  }

  beforeEach(async () => {
    const store = await openCheckpointStore(folder);
    await store.put(contentOf(1));
    await store.put(contentOf(2));
  });

  test.each(FILES)('any flipped bit of %s is found', async (file) => {
    const path = join(folder, 'base/2/model', file);
    const bytes = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), async (bit) => {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await writeFile(path, flipped);
        await rm(join(folder, 'base/2/model', 'damaged.txt'), { force: true });
        const store = await openCheckpointStore(folder);
        const [newest] = store.list().whole;
        // A flip between the manifest's words may leave its meaning as it is: then everything is as it was.
        if (newest?.state.round === 2) expect(await store.get(stateOf(2))).toEqual(contentOf(2));
        else await expectDamaged(file);
        if (file !== 'manifest.json') expect(newest?.state.round).toBe(1);
      }),
      { numRuns: 60 },
    );
  });

  test.each(FILES.flatMap((file) => [0, 1, 27].map((size) => ({ file, size }))))('$file cut to $size bytes', async ({ file, size }) => {
    await truncate(join(folder, 'base/2/model', file), size);
    await expectDamaged(file);
  });

  test('a cut tensor names the byte where it ends', async () => {
    await truncate(join(folder, 'base/2/model', 'parameters.bin'), 123);
    const store = await openCheckpointStore(folder);
    expect(store.list().damaged[0]?.message).toMatch(/parameters\.bin: has 123 bytes instead of 400 \(at byte 123\)/);
  });

  test.each(FILES)('%s with more behind it', async (file) => {
    await appendFile(join(folder, 'base/2/model', file), 'x');
    await expectDamaged(file);
  });

  test.each(FILES)('%s missing', async (file) => {
    await rm(join(folder, 'base/2/model', file));
    await expectDamaged(file);
  });

  test('damage while the store is open is found on reading', async () => {
    const store = await openCheckpointStore(folder);
    await truncate(join(folder, 'base/2/model', 'slots.bin'), 4);
    await expect(store.get(stateOf(2))).rejects.toMatchObject({ code: 'checkpoint.damaged', details: { offset: 4 } });
    expect(store.list().whole.map(({ state }) => state)).toEqual([stateOf(1)]);
  });

  test('a part is read without the rest of the checkpoint; damage in its chunk is found, elsewhere not', async () => {
    const store = await openCheckpointStore(folder);
    const size = (3 * CHUNK_BYTES) / 4 - 5;
    const parameters = Float32Array.from({ length: size }, (_, i) => i);
    const content = withTensor(contentOf(3, { hash: sha256(parameters) }), 'parameters', parameters);
    await putInParts(store, content, 1_000_003);
    const { layout, pieces } = await store.getPart(stateOf(3), { column: 0, start: size - 3, end: size + 2 });
    expect(layout).toEqual(layoutOf(content.tensors));
    expect(pieces.map(({ name, data }) => [name, [...data]])).toEqual([
      ['parameters', [size - 3, size - 2, size - 1]],
      ['slots', [...tensorOf(content, 'slots').subarray(0, 2)]],
    ]);
    const file = await open(join(folder, 'base/3/model/parameters.bin'), 'r+');
    await file.write(Uint8Array.of(1), 0, 1, CHUNK_BYTES + 9);
    await file.close();
    // The chunks are known from the put, or from the opening.
    const rest = { column: null, start: CHUNK_BYTES / 2, end: size };
    expect((await store.getPart(stateOf(3), rest)).pieces[0]?.data).toEqual(parameters.subarray(CHUNK_BYTES / 2));
    const all = { column: null, start: CHUNK_BYTES / 2 - 1, end: size };
    await expect(store.getPart(stateOf(3), all)).rejects.toMatchObject({ code: 'checkpoint.damaged', details: { offset: CHUNK_BYTES } });
    expect(store.list().damaged).toContainEqual(expect.objectContaining({ place: 'base/3/model' }));
  });

  test('the layers are read without the tensors; damage of their own is found', async () => {
    const store = await openCheckpointStore(folder);
    await store.put(contentOf(3));
    await truncate(join(folder, 'base/3/model/parameters.bin'), 4);
    expect(await store.getTopology(stateOf(3))).toEqual(contentOf(3).topology);
    await expect(store.getTopology(stateOf(9))).rejects.toMatchObject({ code: 'checkpoint.missing' });
    await appendFile(join(folder, 'base/3/model/topology.json'), ' ');
    await expect(store.getTopology(stateOf(3))).rejects.toMatchObject({ code: 'checkpoint.damaged' });
    expect(store.list().damaged).toContainEqual(expect.objectContaining({ place: 'base/3/model' }));
  });

  test('the model is read without the other tensors; damage of its own is found', async () => {
    const store = await openCheckpointStore(folder);
    await truncate(join(folder, 'base/2/model/slots.bin'), 4);
    const { info, tensors, topology } = contentOf(2);
    const model = { info, topology, tensors: new Map([['parameters', present(tensors.get('parameters'), 'the parameters')]]) };
    expect(await store.getModel(stateOf(2))).toEqual(model);
    await truncate(join(folder, 'base/1/model/parameters.bin'), 4);
    await expect(store.getModel(stateOf(1))).rejects.toMatchObject({ code: 'checkpoint.damaged' });
  });

  test('is marked, and not tried again even when the file is put right', async () => {
    const path = join(folder, 'base/2/model', 'parameters.bin');
    const bytes = await readFile(path);
    await truncate(path, 5);
    await expectDamaged('parameters.bin');
    await writeFile(path, bytes);
    await expectDamaged('parameters.bin');
  });

  test('a folder under another name is not taken for that checkpoint', async () => {
    await rename(join(folder, 'base/2'), join(folder, 'base/3'));
    const store = await openCheckpointStore(folder);
    expect(store.list().damaged).toEqual([{ place: 'base/3/model', message: expect.stringContaining('is of base/2/model') }]);
  });

  test('a damaged one can be put again', async () => {
    await truncate(join(folder, 'base/2/model', 'slots.bin'), 4);
    const store = await openCheckpointStore(folder);
    expect(await store.put(contentOf(2))).toMatchObject({ stored: true });
    expect(await store.get(stateOf(2))).toEqual(contentOf(2));
    expect(store.list().damaged).toEqual([]);
  });
});
