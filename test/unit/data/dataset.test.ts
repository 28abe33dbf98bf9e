/** From a recipe's data section to sizes, and the ways in which the two do not fit. */

import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataRecipe } from '../../../src/config/schema.js';
import { inspectData, loadSplit, verifyData } from '../../../src/data/dataset.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import { writeCifar10, writeFashionAsCifar10, writeFashionAsCifar100, writeIdx } from '../../support/data-files.js';
import { residentStoreOf } from '../../support/resident-store.js';

let root = '';
/** Not the user's. */
let cache = new FingerprintCache('/nowhere');
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse-data-'));
  cache = new FingerprintCache(join(root, 'fingerprints.json'));
});
afterAll(() => rm(root, { recursive: true }));

const recipeOf = (changes: Partial<DataRecipe>): DataRecipe => ({
  format: 'idx',
  path: 'builtin:fashion-mnist',
  labels: 'fine',
  normalise: { mean: [0.286], std: [0.353] },
  splits: { train: { part: 'test', from: 0, to: 8000 }, few: { part: 'test', from: 0, to: 500 }, held: { part: 'test', from: 8000 } },
  ...changes,
});

describe('builtin:fashion-mnist', () => {
  test('is 10,000 images, 1,000 of each class, with the splits of the recipe', async () => {
    const info = await inspectData(recipeOf({}));
    expect(info).toEqual({ height: 28, width: 28, channels: 1, classes: 10, splitSizes: { train: 8000, few: 500, held: 2000 } });
    const all = await loadSplit(recipeOf({ splits: { all: { part: 'test', from: 0 } } }), 'all');
    const perClass = new Array<number>(10).fill(0);
    for (let sample = 0; sample < all.count; sample++) perClass[all.label(sample)]!++;
    expect(perClass).toEqual(new Array(10).fill(1000));
  });

  test('has the published mean and deviation of pixels, nearly: those of the other part', async () => {
    const { pixels } = residentStoreOf(await loadSplit(recipeOf({ splits: { all: { part: 'test', from: 0 } } }), 'all'));
    let sum = 0;
    let squares = 0;
    for (const pixel of pixels) {
      sum += pixel / 255;
      squares += (pixel / 255) ** 2;
    }
    const mean = sum / pixels.length;
    expect(mean).toBeCloseTo(0.286, 2);
    expect(Math.sqrt(squares / pixels.length - mean ** 2)).toBeCloseTo(0.353, 2);
  });

  test('has the files that its README names, by SHA-256, and the licence beside them', async () => {
    const folder = 'deploy/data/fashion-mnist';
    const rows = [...(await readFile(join(folder, 'README.md'), 'utf8')).matchAll(/^\| (\S+\.gz) \| ([0-9a-f]{64}) \|$/gm)];
    expect(rows.length).toBe(2);
    for (const [, name, hash] of rows) {
      expect(
        createHash('sha256')
          .update(await readFile(join(folder, name!)))
          .digest('hex'),
      ).toBe(hash);
    }
    const licence = await readFile(join(folder, 'LICENSE'), 'utf8');
    expect(licence).toContain('Copyright (c) 2017 Zalando SE');
    expect(licence).toContain('Permission is hereby granted, free of charge');
  });

  test('verify reads both files and says how many samples each has', async () => {
    const { files, splits, shared } = await verifyData(recipeOf({}), cache);
    expect(files.map(({ samples }) => samples)).toEqual([10_000, 10_000]);
    // The published set has as many of each class.
    const [train, , held] = splits.map(({ classCounts }) => classCounts);
    expect(train?.map((count, label) => count + (held?.[label] ?? 0))).toEqual(new Array(10).fill(1000));
    expect(shared).toEqual([
      { splits: ['train', 'few'], count: 500 },
      { splits: ['few', 'train'], count: 500 },
    ]);
    expect(files.map(({ file }) => file.split('/').pop())).toEqual(['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']);
  });
});

describe('splits', () => {
  test('a split is samples of its part, by their index within it', async () => {
    const folder = await mkdtemp(join(root, 'split-'));
    await writeIdx(folder);
    const recipe = {
      format: 'idx' as const,
      path: folder,
      labels: 'fine' as const,
      normalise: { mean: [0.5], std: [0.5] },
      splits: { all: { part: 'train' as const, from: 0 }, some: { part: 'train' as const, from: 13, to: 40 } },
    };
    const all = await loadSplit(recipe, 'all');
    const some = await loadSplit(recipe, 'some');
    expect(all.count).toBe(60);
    expect(some).toMatchObject({ name: 'some', count: 27, height: 12, width: 10, channels: 1, classes: 10 });
    expect(Uint8Array.from(residentStoreOf(some).pixels)).toEqual(
      Uint8Array.from(residentStoreOf(all).pixels.subarray(13 * 120, 40 * 120)),
    );
    for (let sample = 0; sample < 27; sample++) expect(some.label(sample)).toBe(all.label(13 + sample));
    expect(residentStoreOf(some).pixels.buffer.byteLength).toBeLessThan(27 * 120 + 64);
    expect(() => some.label(27)).toThrow('no sample 27');
  });

  test.each([
    ['cifar10', (folder: string) => writeFashionAsCifar10(folder, { perFile: 10, test: 20 })],
    ['cifar100', (folder: string) => writeFashionAsCifar100(folder, { train: 50, test: 20 })],
  ])('Fashion-MNIST in the layout of %s is the same pictures', async (format, write) => {
    const folder = await mkdtemp(join(root, 'fashion-'));
    await write(folder);
    const normalise = { mean: [0, 0, 0], std: [1, 1, 1] };
    const splits = { held: { part: 'test' as const, from: 0 }, learn: { part: 'train' as const, from: 0 } };
    const held = await loadSplit({ format, path: folder, labels: 'fine', normalise, splits }, 'held');
    const learn = await loadSplit({ format, path: folder, labels: 'fine', normalise, splits }, 'learn');
    const real = await loadSplit(recipeOf({ splits: { all: { part: 'test', from: 0 } } }), 'all');
    for (const [split, sample, original] of [
      [held, 19, 9999],
      [held, 0, 9980],
      [learn, 49, 49],
    ] as const) {
      expect(split.label(sample)).toBe(real.label(original));
      for (let y = 0; y < 28; y++) {
        const row = ((sample * 32 + y + 2) * 32 + 2) * 3;
        const grey = [...residentStoreOf(real).pixels.subarray((original * 28 + y) * 28, (original * 28 + y + 1) * 28)];
        expect([...residentStoreOf(split).pixels.subarray(row, row + 28 * 3)]).toEqual(grey.flatMap((value) => [value, value, value]));
      }
    }
  });
});

describe('a recipe that the files do not fit', () => {
  const cases: [string, Partial<DataRecipe>, string, RegExp][] = [
    [
      'a split beyond the end',
      { splits: { a: { part: 'test', from: 0, to: 10_001 } } },
      'recipe.invalid',
      /splits\.a\.to is 10001, and part test has 10000 images\. Give at most 10000/,
    ],
    [
      'a split that begins at the end',
      { splits: { a: { part: 'test', from: 10_000 } } },
      'recipe.invalid',
      /splits\.a\.from is 10000, and part test has 10000 images\. Give at most 9999/,
    ],
    ['a split that ends where it begins', { splits: { a: { part: 'test', from: 5, to: 5 } } }, 'recipe.invalid', /from below to/],
    ['a split backwards', { splits: { a: { part: 'test', from: 50, to: 5 } } }, 'recipe.invalid', /from is 50, and to is 5/],
    ['no split', { splits: {} }, 'recipe.invalid', /no split/],
    [
      'three means for grey images',
      { normalise: { mean: [0, 0, 0], std: [1] } },
      'recipe.invalid',
      /normalise\.mean: 3 values.*1 channels/,
    ],
    ['two deviations for grey images', { normalise: { mean: [0], std: [1, 1] } }, 'recipe.invalid', /normalise\.std: 2 values/],
    ['an unknown built-in set', { path: 'builtin:mnist' }, 'recipe.invalid', /no builtin:mnist.*There is builtin:fashion-mnist/],
    ['the wrong format of a built-in set', { format: 'cifar10' }, 'recipe.invalid', /is not cifar10.*format: idx/],
    ['a part that is not in the package', { splits: { a: { part: 'train', from: 0 } } }, 'data.missing', /has no part train.*part: test/],
    [
      'a part that the format does not have',
      { splits: { a: { part: 'val', from: 0 } } },
      'recipe.invalid',
      /idx has no part val.*train, test/,
    ],
    ['a format that nobody has', { format: 'toString' }, 'recipe.invalid', /no toString; there is: .*cifar10/],
    ['coarse labels of a set without', { labels: 'coarse' }, 'recipe.invalid', /labels: coarse is not for idx/],
    [
      'a folder that is not there',
      { path: '/nowhere/at all' },
      'data.missing',
      /^\/nowhere\/at all: no such folder; looked for t10k-images-idx3-ubyte or/,
    ],
    ['a file in place of a folder', { path: join(process.cwd(), 'package.json') }, 'data.missing', /is not a folder/],
  ];
  test.each(cases)('%s', async (_, changes, code, message) => {
    const recipe = recipeOf(changes);
    await expect(inspectData(recipe)).rejects.toMatchObject({ name: 'StillhouseError', code, message: expect.stringMatching(message) });
    // It prints the mean and deviation, and so does not ask for them.
    if (changes.normalise === undefined) await expect(verifyData(recipe, cache)).rejects.toMatchObject({ code });
    else expect((await verifyData(recipe, cache)).splits[0]?.mean).toHaveLength(1);
    for (const name of Object.keys(recipe.splits).slice(0, 1)) await expect(loadSplit(recipe, name)).rejects.toMatchObject({ code });
  });

  test('images for training and testing of different sizes', async () => {
    const folder = join(root, 'two sizes');
    await writeIdx(folder, { height: 8, width: 8 });
    await rm(join(folder, 't10k-images-idx3-ubyte'));
    await rm(join(folder, 't10k-labels-idx1-ubyte'));
    const other = join(root, 'other');
    await writeIdx(other, { height: 9, width: 8, gzip: true });
    for (const name of ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']) {
      await copyFile(join(other, name), join(folder, name));
    }
    const recipe = recipeOf({ path: folder, splits: { a: { part: 'train', from: 0 }, b: { part: 'test', from: 0 } } });
    await expect(inspectData(recipe)).rejects.toMatchObject({
      code: 'data.damaged',
      message: expect.stringContaining('images of part train are 8x8x1, images of part test are 9x8x1'),
    });
  });
});

describe('what is looked at', () => {
  test('inspecting does not read pixels or labels; verifying does', async () => {
    const folder = join(root, 'bad label');
    await writeCifar10(folder);
    const file = join(folder, 'data_batch_4.bin');
    const bytes = await readFile(file);
    bytes[3073] = 10;
    await writeFile(file, bytes);
    const recipe = recipeOf({
      format: 'cifar10',
      path: folder,
      normalise: { mean: [0, 0, 0], std: [1, 1, 1] },
      splits: { a: { part: 'train', from: 0, to: 30 } },
    });
    expect((await inspectData(recipe)).splitSizes).toEqual({ a: 30 });
    await expect(verifyData(recipe, cache)).rejects.toMatchObject({ code: 'data.damaged', details: { file, offset: 3073 } });
  });

  test('parts that no split uses may be missing', async () => {
    const folder = join(root, 'no test part');
    await writeCifar10(folder);
    await rm(join(folder, 'test_batch.bin'));
    const normalise = { mean: [0, 0, 0], std: [1, 1, 1] };
    const recipe = recipeOf({ format: 'cifar10', path: folder, normalise, splits: { a: { part: 'train', from: 0 } } });
    expect((await verifyData(recipe, cache)).files).toHaveLength(5);
  });
});
