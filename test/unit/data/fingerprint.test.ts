/** Fingerprints of splits: what they are of, and when they are computed anew. With real files. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataRecipe } from '../../../src/config/schema.js';
import { fingerprintSplit, loadSplit, verifyData } from '../../../src/data/dataset.js';
import { fingerprintOf } from '../../../src/data/fingerprint.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import type { LabelledImages } from '../../../src/data/sample-source.js';
import { cifarBytes, randomBytes, writeCifar10, writeCifar100, writeIdx } from '../../support/data-files.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse fingerprint '));
});
afterAll(() => rm(root, { recursive: true }));
const newFolder = (): Promise<string> => mkdtemp(join(root, 'set-'));

const recipeOf = (path: string, changes: Partial<DataRecipe> = {}): DataRecipe => ({
  ...{ format: 'idx', path, labels: 'fine', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'train', from: 0 } } },
  ...changes,
});
const CIFAR = { format: 'cifar10', normalise: { mean: [0, 0, 0], std: [1, 1, 1] } };
const printOf = async (recipe: DataRecipe, name = 'all') => (await loadSplit(recipe, name)).fingerprint();

const IMAGES: LabelledImages = {
  ...{ count: 6, height: 3, width: 2, channels: 2, classes: 300 },
  pixels: randomBytes(6 * 12, 4),
  labels: Int32Array.of(0, 1, 299, 3, 44, 3),
};

describe('a fingerprint', () => {
  test('is what its definition says', async () => {
    const words = (...values: number[]) => values.flatMap((value) => [value & 255, (value >> 8) & 255, 0, 0]);
    const bytes = [...Buffer.from('stillhouse samples 1\n'), ...words(6, 3, 2, 2, 300), ...IMAGES.pixels, ...words(...IMAGES.labels)];
    expect(await fingerprintOf(IMAGES)).toBe(createHash('sha256').update(Uint8Array.from(bytes)).digest('hex'));
  });

  test('of the photographs in the package is pinned', async () => {
    const recipe = recipeOf('builtin:fashion-mnist', { splits: { all: { part: 'test', from: 0 } } });
    expect(await printOf(recipe)).toBe('85271c07bc15ea1906bf4b6215b00b41e20406959aa75310839a4c8e8dd8f788');
  });

  test('of more than is hashed at a time is one of all of it', async () => {
    const images = { count: 3, height: 1500, width: 1500, channels: 1, classes: 2, labels: Int32Array.of(1, 0, 1) };
    const pixels = new Uint8Array(3 * 1500 * 1500);
    const before = await fingerprintOf({ ...images, pixels });
    pixels[pixels.length - 1] = 1;
    expect(await fingerprintOf({ ...images, pixels })).not.toBe(before);
  });

  test.each<[string, Partial<LabelledImages>]>([
    ['another shape of the same bytes', { height: 2, width: 3 }],
    ['more classes', { classes: 301 }],
    ['a label that differs above its lowest byte', { labels: Int32Array.of(256, 1, 299, 3, 44, 3) }],
    ['labels in another order', { labels: Int32Array.of(1, 0, 299, 3, 44, 3) }],
    ['a sample less', { count: 5, pixels: IMAGES.pixels.subarray(0, 60), labels: IMAGES.labels.subarray(0, 5) }],
    ['samples in another order', { pixels: Uint8Array.from([...IMAGES.pixels.subarray(12), ...IMAGES.pixels.subarray(0, 12)]) }],
  ])('is another one for %s', async (_, change) => {
    expect(await fingerprintOf({ ...IMAGES, ...change })).not.toBe(await fingerprintOf(IMAGES));
  });

  test('is another one when any one pixel or label is', async () => {
    const place = fc.record({ isPixel: fc.boolean(), place: fc.nat(10_000), other: fc.integer({ min: 1, max: 255 }) });
    const whole = await fingerprintOf(IMAGES);
    await fc.assert(
      fc.asyncProperty(place, async ({ isPixel, place, other }) => {
        const { pixels, labels } = { pixels: IMAGES.pixels.slice(), labels: IMAGES.labels.slice() };
        const changed = isPixel ? pixels : labels;
        changed[place % changed.length]! ^= other;
        expect(await fingerprintOf({ ...IMAGES, pixels, labels })).not.toBe(whole);
      }),
    );
  });
});

describe('the same samples have the same fingerprint', () => {
  test('from plain and gzip files, under any name of the split', async () => {
    const [plain, gzip] = [await newFolder(), await newFolder()];
    await writeIdx(plain);
    await writeIdx(gzip, { gzip: true });
    const splits = { all: { part: 'train', from: 0 }, same: { part: 'train', from: 0, to: 60 }, fewer: { part: 'train', from: 0, to: 59 } };
    const prints = await Promise.all(['all', 'same', 'fewer'].map((name) => printOf(recipeOf(plain, { splits }), name)));
    expect(await printOf(recipeOf(gzip))).toBe(prints[0]);
    expect(prints[1]).toBe(prints[0]);
    expect(prints[2]).not.toBe(prints[0]);
  });

  test('from one file and from five, wherever these are divided', async () => {
    const [even, uneven] = [await newFolder(), await newFolder()];
    await writeCifar10(even);
    await writeCifar10(uneven);
    const records = cifarBytes(40, 8, (i) => [i % 10]);
    const write = async (folder: string, counts: readonly number[]) => {
      let from = 0;
      for (const [i, count] of counts.entries()) {
        await writeFile(join(folder, `data_batch_${i + 1}.bin`), records.subarray(from * 3073, (from + count) * 3073));
        from += count;
      }
    };
    await write(even, [8, 8, 8, 8, 8]);
    await write(uneven, [1, 30, 2, 3, 4]);
    await writeFile(join(uneven, 'test_batch.bin'), records);
    const splits = { all: { part: 'train', from: 0 }, one: { part: 'test', from: 0 } };
    const [a, b, one] = await Promise.all([
      printOf(recipeOf(even, CIFAR)),
      printOf(recipeOf(uneven, CIFAR)),
      printOf(recipeOf(uneven, { ...CIFAR, splits }), 'one'),
    ]);
    expect([b, one]).toEqual([a, a]);
  });
});

/** Writes until the file system's clock has moved on: its times of change are no finer than that. */
async function change(file: string, bytes: Uint8Array): Promise<void> {
  const { ctimeNs: before } = await stat(file, { bigint: true });
  do await writeFile(file, bytes);
  while ((await stat(file, { bigint: true })).ctimeNs === before);
}

const PLANTED = 'f'.repeat(64);

describe('the cache', () => {
  let folder = '';
  let file = '';
  let images = '';
  const cache = () => new FingerprintCache(file);
  const entries = () => JSON.parse(readFileSync(file, 'utf8')) as [string, string][];
  /** In place of each fingerprint: it can only come from the cache. */
  const plant = () => writeFileSync(file, JSON.stringify(entries().map(([key]) => [key, PLANTED])));
  async function startWith(options: Parameters<typeof writeIdx>[1] = {}): Promise<DataRecipe> {
    folder = await newFolder();
    file = join(folder, 'cache', 'fingerprints.json');
    images = join(folder, 'train-images-idx3-ubyte');
    await writeIdx(folder, options);
    return recipeOf(folder);
  }

  test('answers the second call', async () => {
    const recipe = await startWith();
    const first = await fingerprintSplit(recipe, 'all', cache());
    expect(first).toBe(await printOf(recipe));
    expect(await fingerprintSplit(recipe, 'all', cache())).toBe(first);
    expect(entries()).toEqual([[expect.stringMatching(/^[0-9a-f]{64}$/), first]]);
    plant();
    expect(await fingerprintSplit(recipe, 'all', cache())).toBe(PLANTED);
    const other = { ...recipe, splits: { all: { part: 'train', from: 1 } } };
    expect(await fingerprintSplit(other, 'all', cache())).toBe(await printOf(other));
  });

  test.skipIf(!existsSync('/proc/self/io'))('reads none of the data for it', async () => {
    const recipe = await startWith({ height: 200, width: 400 });
    const bytesRead = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
    const cost = async () => {
      const before = bytesRead();
      await fingerprintSplit(recipe, 'all', cache());
      return bytesRead() - before;
    };
    expect(await cost()).toBeGreaterThan(60 * 200 * 400);
    expect(await cost()).toBeLessThan(60 * 200 * 40);
  });

  test('does not answer for a file that changed, even if its size and date are the old ones', async () => {
    const recipe = await startWith();
    const first = await fingerprintSplit(recipe, 'all', cache());
    plant();
    const bytes = await readFile(images);
    const { atime, mtime } = await stat(images);
    bytes[16] = bytes[16]! ^ 1;
    await change(images, bytes);
    await utimes(images, atime, mtime);
    const second = await fingerprintSplit(recipe, 'all', cache());
    expect(second).toBe(await printOf(recipe));
    expect(second).not.toBe(first);
  });

  test('answers for a file that is as it was only after it was read again', async () => {
    const recipe = await startWith();
    const first = await fingerprintSplit(recipe, 'all', cache());
    plant();
    await change(images, await readFile(images));
    expect(await fingerprintSplit(recipe, 'all', cache())).toBe(first);
  });

  test('does not hide that a file is missing or damaged', async () => {
    const recipe = await startWith();
    await fingerprintSplit(recipe, 'all', cache());
    await change(images, (await readFile(images)).subarray(1));
    await expect(fingerprintSplit(recipe, 'all', cache())).rejects.toMatchObject({ code: 'data.damaged' });
    await rm(images);
    await expect(fingerprintSplit(recipe, 'all', cache())).rejects.toMatchObject({ code: 'data.missing' });
  });

  test('keeps nothing of a file that changed while it was read', async () => {
    const recipe = await startWith();
    class Disturbed extends FingerprintCache {
      override async get(): Promise<null> {
        await change(images, await readFile(images));
        return null;
      }
    }
    expect(await fingerprintSplit(recipe, 'all', new Disturbed(file))).toBe(await printOf(recipe));
    expect(existsSync(file)).toBe(false);
  });

  test('tells sets of labels apart', async () => {
    folder = await newFolder();
    file = join(folder, 'fingerprints.json');
    await writeCifar100(folder);
    const recipe = recipeOf(folder, { ...CIFAR, format: 'cifar100' });
    const prints = [];
    for (const labels of ['fine', 'coarse']) prints.push(await fingerprintSplit({ ...recipe, labels }, 'all', cache()));
    expect(new Set(prints).size).toBe(2);
    expect(entries().map(([, print]) => print)).toEqual(prints);
  });

  test.each<[string, string]>([
    ['is empty', ''],
    ['ends in the middle', `[["${PLANTED}","${PLANTED.slice(1)}`],
    ['is another document', '{"a":1}'],
    ['has an entry of another kind', `[["${PLANTED}","no fingerprint"]]`],
    ['has an entry too many', JSON.stringify(Array.from({ length: 257 }, () => [PLANTED, PLANTED]))],
    ['is far too large', ' '.repeat(10_000_000)],
  ])('is written anew when it %s', async (_, content) => {
    const recipe = await startWith();
    await mkdir(join(folder, 'cache'));
    await writeFile(file, content);
    const first = await fingerprintSplit(recipe, 'all', cache());
    expect(first).toBe(await printOf(recipe));
    expect(entries().map(([, print]) => print)).toEqual([first]);
  });

  test.each(['a file where its folder should be', 'a folder in its place'])('is done without when there is %s', async (what) => {
    const recipe = await startWith();
    if (what.startsWith('a file')) await writeFile(join(folder, 'cache'), '');
    else await mkdir(file, { recursive: true });
    for (let call = 0; call < 2; call++) expect(await fingerprintSplit(recipe, 'all', cache())).toBe(await printOf(recipe));
    expect(readdirSync(folder).sort()).toContain('cache');
    if (what.startsWith('a folder')) expect(readdirSync(join(folder, 'cache'))).toEqual(['fingerprints.json']);
  });

  test('has a maximum, and the newest stay', async () => {
    file = join(await newFolder(), 'fingerprints.json');
    const keyOf = (i: number) => i.toString(16).padStart(64, '0');
    for (let i = 0; i < 300; i++) await cache().put(keyOf(i), PLANTED);
    await cache().put(keyOf(44), PLANTED);
    await cache().put(keyOf(300), 'e'.repeat(64));
    expect(entries()).toHaveLength(256);
    expect((await stat(file)).size).toBeLessThan(40_000);
    const found = await Promise.all([0, 43, 45, 46, 44, 300].map((i) => cache().get(keyOf(i))));
    expect(found).toEqual([null, null, null, PLANTED, PLANTED, 'e'.repeat(64)]);
  });

  test('is whole whoever writes at the same time, and nothing is left beside it', async () => {
    file = join(await newFolder(), 'deep', 'fingerprints.json');
    await Promise.all(Array.from({ length: 30 }, (_, i) => cache().put(i.toString(16).padStart(64, '0'), PLANTED)));
    expect(entries().length).toBeGreaterThan(0);
    expect(readdirSync(join(file, '..'))).toEqual(['fingerprints.json']);
  });

  test('is not believed by verify, which writes what it found', async () => {
    const recipe = { ...(await startWith()), splits: { held: { part: 'test', from: 0 }, all: { part: 'train', from: 0 } } };
    const [all, held] = [await fingerprintSplit(recipe, 'all', cache()), await printOf(recipe, 'held')];
    plant();
    const { splits } = await verifyData(recipe, cache());
    expect(splits).toMatchObject([
      { name: 'held', samples: 20, fingerprint: held },
      { name: 'all', samples: 60, fingerprint: all },
    ]);
    expect(await Promise.all(['all', 'held'].map((name) => fingerprintSplit(recipe, name, cache())))).toEqual([all, held]);
    plant();
    expect(await fingerprintSplit(recipe, 'held', cache())).toBe(PLANTED);
  });
});
