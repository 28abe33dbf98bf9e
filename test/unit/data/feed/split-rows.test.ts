/** Samples as rows of bytes, and back. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataRecipe } from '../../../../src/config/schema.js';
import { loadSplitToFeed } from '../../../../src/data/dataset.js';
import { headOf, rowBytes, rowsOf, SplitRows } from '../../../../src/data/feed/split-rows.js';
import { FingerprintCache } from '../../../../src/data/fingerprint-cache.js';
import { residentSource } from '../../../../src/data/resident-source.js';
import { writeNoiseFolder } from '../../../support/image-folder.js';

const NORMALISE = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse rows '));
  await writeNoiseFolder(join(folder, 'set'));
});
afterAll(() => rm(folder, { recursive: true }));

const recipe = (): DataRecipe => ({
  ...{ format: 'folder', path: join(folder, 'set'), labels: 'fine', image: { size: 16 }, normalise: NORMALISE },
  splits: { some: { part: 'train', from: 3, to: 9 } },
});

describe('images in memory', () => {
  const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const images = { count: 3, height: 1, width: 2, channels: 1, classes: 300, pixels, labels: Int32Array.of(0, 299, 1) };
  const split = { source: residentSource(images, { name: 'few', from: 0, to: 3 }), digests: null };

  test('are rows of pixels and label, to the byte', () => {
    expect(headOf(split)).toEqual({ kind: 'resident', count: 3, height: 1, width: 2, channels: 1, classes: 300 });
    expect([...rowsOf(split, 1, 3)]).toEqual([3, 4, 43, 1, 0, 0, 5, 6, 1, 0, 0, 0]);
    expect(rowsOf(split, 3, 3)).toHaveLength(0);
    expect(() => rowsOf(split, 1, 4)).toThrow('rows [1, 4) of 3');
  });

  test('are the same split again, whatever the pieces', async () => {
    const rows = new SplitRows(headOf(split));
    rows.add(rowsOf(split, 0, 1));
    expect(rows.isWhole).toBe(false);
    expect(() => rows.add(rowsOf(split, 0, 3))).toThrow('bytes of rows');
    rows.add(rowsOf(split, 1, 3));
    expect(await rows.fingerprint()).toBe(await split.source.fingerprint());
    const { store, name, label } = rows.resident('few');
    expect({ name, label: label(1), pixels: [...(store.kind === 'resident' ? store.pixels : [])] }).toEqual({
      name: 'few',
      label: 299,
      pixels: [...pixels],
    });
  });
});

test('coded images are rows of digest, size and label, and the same split again', async () => {
  const split = await loadSplitToFeed(recipe(), 'some', new FingerprintCache(join(folder, 'cache.json')));
  const head = headOf(split);
  expect(head).toEqual({ kind: 'coded', count: 6, height: 16, width: 16, channels: 3, classes: 3 });
  expect(rowBytes(head)).toBe(40);
  const bytes = rowsOf(split, 2, 3);
  const { store } = split.source;
  const size = store.kind === 'coded' ? store.sizes[2]! : 0;
  expect([...bytes.subarray(0, 32)]).toEqual([...split.digests!.subarray(64, 96)]);
  expect([...bytes.subarray(32)]).toEqual([size & 255, size >> 8, 0, 0, 1, 0, 0, 0]);

  const rows = new SplitRows(head);
  rows.add(rowsOf(split, 0, 6));
  expect(await rows.fingerprint()).toBe(await split.source.fingerprint());
  expect(rows.sizeOf(2)).toBe(size);
  expect(rows.coded('some', { folder: '/cache', size: 16, resize: 18 })).toMatchObject({
    kind: 'fetched',
    count: 6,
    height: 16,
    resize: 18,
  });
});
