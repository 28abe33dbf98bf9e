/** A data set of coded images: its index, its batches here and in loader threads, its fingerprints, and what is wrong with its files. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AugmentRecipe, DataRecipe } from '../../../src/config/schema.js';
import { assembleBatch } from '../../../src/data/batch.js';
import { classNamesOf } from '../../../src/data/class-names.js';
import { fingerprintSplit, inspectData, loadSplit, readContent, verifyData } from '../../../src/data/dataset.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import { middleOf, randomPartOf } from '../../../src/data/image/crop.js';
import { ImageDecoder } from '../../../src/data/image/decode.js';
import { type Resizing, resample } from '../../../src/data/image/resample.js';
import { type Loader, openLoader } from '../../../src/data/loader/loader.js';
import type { SampleSource } from '../../../src/data/sample-source.js';
import { failureOf } from '../../support/format-cases.js';
import { writeNoiseFolder } from '../../support/image-folder.js';
import { loaderProgram } from '../../support/loader-program.js';

const NORMALISE = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };
const SIZE = 16;
const IMAGE = SIZE * SIZE * 3;
const CROP: AugmentRecipe = { cropPadding: 1, flip: true, resizedCrop: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } };

let root = '';
let cache: FingerprintCache;
let folder = '';
let sets = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse coded '));
  cache = new FingerprintCache(join(root, 'cache', 'fingerprints.json'));
  folder = await newSet();
});
afterAll(() => rm(root, { recursive: true }));

async function newSet(options: Parameters<typeof writeNoiseFolder>[1] = {}): Promise<string> {
  const set = join(root, `set-${sets++}`);
  await writeNoiseFolder(set, options);
  return set;
}

const SPLITS = { train: { part: 'train', from: 0 }, val: { part: 'val', from: 0 } };
const recipeOf = (path: string, changes: Partial<DataRecipe> = {}): DataRecipe => ({
  ...{ format: 'folder', path, labels: 'fine', image: { size: SIZE, resize: 18 }, normalise: NORMALISE, splits: SPLITS },
  ...changes,
});

const viewOf = (augment: AugmentRecipe | null, epoch = 3) => ({ seed: 5, epoch, augment, normalise: NORMALISE });
const roomFor = (count: number) => ({ images: new Float32Array(count * IMAGE), labels: new Int32Array(count) });

function batchOf(split: SampleSource, view: ReturnType<typeof viewOf>, samples: readonly number[]) {
  const out = roomFor(samples.length);
  assembleBatch({ store: split.store, view, samples, out });
  return out;
}

describe('the index', () => {
  test('has the classes in the order of the bytes of their names, and their images', async () => {
    expect(await inspectData(recipeOf(folder))).toEqual({
      ...{ height: SIZE, width: SIZE, channels: 3, classes: 3 },
      splitSizes: { train: 12, val: 6 },
    });
    const train = await loadSplit(recipeOf(folder), 'train', cache);
    expect(Array.from({ length: 12 }, (_, i) => train.label(i))).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(await classNamesOf(recipeOf(folder))).toEqual(['Eel', 'cat', 'dog']);
    const some = await loadSplit(recipeOf(folder, { splits: { some: { part: 'train', from: 3, to: 9 } } }), 'some', cache);
    expect(Array.from({ length: some.count }, (_, i) => some.label(i))).toEqual([0, 1, 1, 1, 1, 2]);
    expect(batchOf(some, viewOf(null), [0, 5])).toEqual(batchOf(train, viewOf(null), [3, 8]));
  });

  test('has what lies deeper and links within the data set, and leaves out other files', async () => {
    const set = await newSet();
    await mkdir(join(set, 'train/cat/more'));
    await rename(join(set, 'train/cat/3.jpg'), join(set, 'train/cat/more/3.JPEG'));
    await symlink('../cat/0.jpg', join(set, 'train/dog/linked.jpg'));
    await writeFile(join(set, 'train/cat/boxes.txt'), 'x');
    await writeFile(join(set, 'train/.hidden.jpg'), 'x');
    const { files, splits, shared } = await verifyData(recipeOf(set), cache);
    expect(files).toEqual([
      { file: join(set, 'train'), samples: 13, leftOut: 1 },
      { file: join(set, 'val'), samples: 6 },
    ]);
    expect(splits.map(({ classCounts }) => classCounts)).toEqual([
      [4, 4, 5],
      [2, 2, 2],
    ]);
    expect(shared).toEqual([]);
  });

  test('more than 255 classes', async () => {
    const set = join(root, 'many');
    const image = await readFile(join(folder, 'train/cat/0.jpg'));
    for (let label = 0; label < 300; label++) {
      await mkdir(join(set, 'train', `n${1000 + label}`), { recursive: true });
      await writeFile(join(set, 'train', `n${1000 + label}`, 'a.jpg'), image);
    }
    const split = await loadSplit(recipeOf(set, { splits: { train: SPLITS.train } }), 'train', cache);
    expect(split).toMatchObject({ classes: 300, count: 300 });
    expect([...batchOf(split, viewOf(null), [299, 256]).labels]).toEqual([299, 256]);
  });
});

describe('a batch', () => {
  /** The pixels of a sample of `train`, by the same steps one by one. */
  async function expectedOf(name: string, resizingOf: (image: { height: number; width: number }) => Resizing): Promise<Uint8Array> {
    const file = join(folder, 'train', name);
    const image = new ImageDecoder().decode(file, await readFile(file));
    const pixels = new Uint8Array(IMAGE);
    resample({ ...image, from: 0, channels: 3 }, resizingOf(image), pixels);
    return pixels;
  }
  const normalised = (pixels: Uint8Array) =>
    Float32Array.from(pixels, (byte, i) => (byte / 255 - NORMALISE.mean[i % 3]!) / NORMALISE.std[i % 3]!);

  test('for tests has the middle of the images', async () => {
    const split = await loadSplit(recipeOf(folder), 'train', cache);
    const { images } = batchOf(split, viewOf(null), [11, 5]);
    const expected = await expectedOf('cat/1.jpg', (image) => middleOf(image, { resize: 18, size: SIZE }));
    expect([...images.subarray(IMAGE)]).toEqual([...normalised(expected)]);
    const whole = await loadSplit(recipeOf(folder, { image: { size: SIZE } }), 'train', cache);
    const unscaled = await expectedOf('cat/1.jpg', (image) => middleOf(image, { resize: SIZE, size: SIZE }));
    expect([...batchOf(whole, viewOf(null), [5]).images]).toEqual([...normalised(unscaled)]);
  });

  test('for training has a part at random, another one in each epoch', async () => {
    const split = await loadSplit(recipeOf(folder), 'train', cache);
    const plain = { ...CROP, cropPadding: 0, flip: false };
    const partOf = (epoch: number) => (image: { height: number; width: number }) => {
      const of = randomPartOf(image, CROP.resizedCrop!, { seed: 5, epoch, sample: 5 });
      const size = { height: SIZE, width: SIZE };
      return { of, size, piece: { top: 0, left: 0, ...size } };
    };
    const seen = new Set<string>();
    for (const epoch of [0, 1, 2]) {
      const { images } = batchOf(split, viewOf(plain, epoch), [5]);
      expect([...images]).toEqual([...normalised(await expectedOf('cat/1.jpg', partOf(epoch)))]);
      seen.add(images.join());
    }
    expect(seen.size).toBe(3);
  });

  test('has the same pixels for each sample, whatever stands beside it', async () => {
    const split = await loadSplit(recipeOf(folder), 'train', cache);
    const all = batchOf(split, viewOf(CROP), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for (const sample of [0, 7, 11]) {
      const { images, labels } = batchOf(split, viewOf(CROP), [sample]);
      expect(images).toEqual(all.images.subarray(sample * IMAGE, (sample + 1) * IMAGE));
      expect(labels[0]).toBe(all.labels[sample]);
    }
  });
});

describe('in loader threads', () => {
  const loaders: Loader[] = [];
  afterEach(async () => {
    await Promise.all(loaders.splice(0).map((loader) => loader.close()));
  });
  const open = (threads: number) => {
    const shape = { height: SIZE, width: SIZE, channels: 3 };
    const loader = openLoader({ shape, rows: 40, threads, program: loaderProgram() });
    loaders.push(loader);
    return loader;
  };

  test.each([1, 3])('with %i threads a batch has the bits that it has here', async (threads) => {
    const split = await loadSplit(recipeOf(folder), 'train', cache);
    const requests = Array.from({ length: 9 }, (_, epoch) => ({ split, view: viewOf(CROP, epoch), samples: Int32Array.of(epoch, 11, 4) }));
    const loadings = open(threads).request(requests);
    for (const [i, loading] of loadings.entries()) {
      await loading.ready();
      const { images, labels } = loaders[0]!.arraysOf([loading]);
      expect({ images: [...images], labels: [...labels] }).toEqual(
        Object.fromEntries(Object.entries(batchOf(split, viewOf(CROP, i), [i, 11, 4])).map(([key, values]) => [key, [...values]])),
      );
      loading.giveBack();
    }
  });

  test('a file that is broken, has changed or is gone fails the batch with its name', async () => {
    const set = await newSet();
    await utimes(join(set, 'train/dog/1.jpg'), 1, 1);
    const split = await loadSplit(recipeOf(set), 'train', cache);
    const [dog, cat, eel] = ['dog/1.jpg', 'cat/2.jpg', 'Eel/0.jpg'].map((name) => join(set, 'train', name)) as [string, string, string];
    const { size } = await stat(dog);
    await writeFile(dog, Buffer.alloc(size, 7));
    await utimes(dog, 1, 1);
    await writeFile(cat, 'shorter');
    const mouse = join(set, 'train/cat/0.jpg');
    await writeFile(mouse, await readFile(mouse));
    await utimes(mouse, 2, 2);
    await rm(eel);
    for (const [sample, code, message] of [
      [9, 'data.damaged', `${dog}: is no image`],
      [6, 'data.damaged', `${cat}: has changed: it had`],
      [4, 'data.damaged', `${mouse}: has changed: it was written 1970-01-01T00:00:02.000Z, and 2`],
      [0, 'data.missing', `${eel}: cannot be read`],
    ] as const) {
      const [loading] = open(2).request([{ split, view: viewOf(null), samples: Int32Array.of(5, sample) }]);
      const error = await failureOf(loading!.ready());
      expect(error).toMatchObject({ code, details: { file: message.split(': ')[0], hint: expect.any(String) } });
      expect(error.message).toContain(message);
    }
  });
});

describe('the fingerprint', () => {
  const wordBytes = (...words: readonly number[]) => Buffer.from(words.flatMap((word) => [word, 0, 0, 0]));

  test('is of the content of the files and of the labels, and not of paths and sizes', async () => {
    const print = await fingerprintSplit(recipeOf(folder), 'train', cache);
    const other = await newSet();
    expect(await fingerprintSplit(recipeOf(other), 'train', cache)).toBe(print);
    expect(await fingerprintSplit(recipeOf(folder, { image: { size: 8 } }), 'train', cache)).toBe(print);
    const { splits } = await readContent(recipeOf(folder), { cache });
    expect(splits.map(({ name, fingerprint }) => [name, fingerprint])).toEqual([
      ['train', print],
      ['val', await fingerprintSplit(recipeOf(folder), 'val', cache)],
    ]);
    // Its definition (fingerprint.ts), step by step.
    const hash = createHash('sha256').update('stillhouse coded samples 1\n').update(wordBytes(12, 3));
    for (const name of ['Eel', 'cat', 'dog']) {
      for (const i of [0, 1, 2, 3])
        hash.update(
          createHash('sha256')
            .update(await readFile(join(folder, 'train', name, `${i}.jpg`)))
            .digest(),
        );
    }
    expect(print).toBe(hash.update(wordBytes(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)).digest('hex'));
    const file = join(other, 'train/cat/0.jpg');
    const bytes = await readFile(file);
    bytes[bytes.length - 6]! ^= 1;
    await writeFile(file, bytes);
    const changed = await fingerprintSplit(recipeOf(other), 'train', cache);
    expect(changed).not.toBe(print);
    await rename(join(other, 'train/cat/0.jpg'), join(other, 'train/dog/a.jpg'));
    expect([print, changed]).not.toContain(await fingerprintSplit(recipeOf(other), 'train', cache));
  });

  test('is computed again from those files alone that have changed', async () => {
    const set = await newSet();
    const own = new FingerprintCache(join(root, 'own', 'fingerprints.json'));
    const before = await fingerprintSplit(recipeOf(set), 'train', own);
    const [file] = readdirSync(own.digestFolder);
    const kept = join(own.digestFolder, file!);
    const first = await readFile(kept);
    // Another time: the file is read again, and has the same bytes.
    await utimes(join(set, 'train/cat/0.jpg'), 1, 1);
    expect(await fingerprintSplit(recipeOf(set), 'train', own)).toBe(before);
    const second = await readFile(kept);
    const recordsOf = (bytes: Buffer) => Array.from({ length: 12 }, (_, i) => bytes.toString('hex', 48 * i, 48 * (i + 1)));
    expect(recordsOf(second).filter((record) => !recordsOf(first).includes(record))).toHaveLength(1);
    // A new file in front: all others are found at another place.
    await rename(join(set, 'train/dog/3.jpg'), join(set, 'train/Eel/+.jpg'));
    await fingerprintSplit(recipeOf(set), 'train', own);
    expect(recordsOf(await readFile(kept)).filter((record) => !recordsOf(second).includes(record))).toHaveLength(1);
    await rename(join(set, 'train/Eel/+.jpg'), join(set, 'train/dog/3.jpg'));
    // A cache that says something else is believed while the files stay as they are; a damaged one is not.
    await writeFile(kept, Buffer.alloc(second.length));
    expect(await fingerprintSplit(recipeOf(set), 'train', own)).toBe(before);
  });
});

describe('what is wrong is told with its file', () => {
  type Change = (set: string) => Promise<unknown>;
  const at = (set: string, name: string) => join(set, name);
  test.each<[string, Change, 'data.damaged' | 'data.missing', string, RegExp]>([
    ['no folder', (set) => rename(set, `${set}-gone`), 'data.missing', '', /no such folder.*change data\.path/],
    ['no part', (set) => rename(at(set, 'val'), at(set, 'test')), 'data.missing', 'val', /no folder of this part; there is test, train/],
    [
      'an empty class',
      (set) => rm(at(set, 'train/cat/'), { recursive: true }).then(() => mkdir(at(set, 'train/cat'))),
      'data.damaged',
      'train/cat',
      /has no image/,
    ],
    [
      'a class of other files',
      (set) =>
        rm(at(set, 'train/cat/'), { recursive: true })
          .then(() => mkdir(at(set, 'train/cat')))
          .then(() => writeFile(at(set, 'train/cat/a.gif'), 'x')),
      'data.damaged',
      'train/cat',
      /has no image; 1 files have names that do not end in/,
    ],
    [
      'one class',
      (set) => Promise.all(['cat', 'dog'].map((name) => rm(at(set, `train/${name}`), { recursive: true }))),
      'data.damaged',
      'train',
      /has one class folder, Eel/,
    ],
    [
      'no class',
      (set) => Promise.all(['cat', 'dog', 'Eel'].map((name) => rm(at(set, `train/${name}`), { recursive: true }))),
      'data.damaged',
      'train',
      /has no class folders/,
    ],
    [
      'a class that the other part has not',
      (set) => rename(at(set, 'val/cat'), at(set, 'val/cow')),
      'data.damaged',
      '',
      /part train has the class cat, and part val has not/,
    ],
    [
      'an image without a class',
      (set) => rename(at(set, 'train/cat/0.jpg'), at(set, 'train/0.jpg')),
      'data.damaged',
      'train/0.jpg',
      /outside of the class folders/,
    ],
    [
      'a link to nothing',
      (set) => symlink('nowhere.jpg', at(set, 'train/cat/l.jpg')),
      'data.damaged',
      'train/cat/l.jpg',
      /a link to nothing/,
    ],
    [
      'a link out',
      (set) => symlink(join(folder, 'train/cat/0.jpg'), at(set, 'train/cat/l.jpg')),
      'data.damaged',
      'train/cat/l.jpg',
      /a link out of the data set/,
    ],
    [
      'a name that is not UTF-8',
      async (set) => execFileSync('sh', ['-c', 'cp "$0/0.jpg" "$0/$(printf "\\351.jpg")"', at(set, 'train/cat')]),
      'data.damaged',
      'train/cat/\ufffd.jpg',
      /not UTF-8/,
    ],
  ])('%s', async (_, change, code, file, message) => {
    const set = await newSet();
    await change(set);
    const recipe = recipeOf(set);
    for (const error of [await failureOf(inspectData(recipe)), await failureOf(verifyData(recipe, cache))]) {
      expect(error).toMatchObject({ code, details: { file: file === '' ? set : join(set, file) } });
      expect(error.message).toMatch(message);
    }
  });

  test.each([
    [
      'a JPEG that is cut short',
      (whole: Buffer) => whole.subarray(0, whole.length - 30),
      /cut short: it ends in its image data \(at byte \d+\)/,
    ],
    ['a page of a website', () => Buffer.from('<html>404</html>'), /a page of a website/],
    ['an empty file', () => Buffer.alloc(0), /is empty/],
  ])('%s, before anything is decoded, each time', async (_, change, message) => {
    const set = await newSet();
    const file = join(set, 'val/dog/1.jpg');
    await writeFile(file, change(await readFile(file)));
    for (let time = 0; time < 2; time++) {
      const works = [
        () => readContent(recipeOf(set), { cache }),
        () => fingerprintSplit(recipeOf(set), 'val', cache),
        () => loadSplit(recipeOf(set), 'val', cache),
      ];
      for (const work of works) {
        const error = await failureOf(work());
        expect(error).toMatchObject({ code: 'data.damaged', details: { file } });
        expect(error.message).toMatch(message);
      }
    }
  });

  test('an image that cannot be decoded, by data verify; doubtful ones are listed', async () => {
    const set = await newSet();
    const file = join(set, 'val/dog/1.jpg');
    const whole = await readFile(file);
    const broken = Buffer.from(whole).fill(0x55, whole.length - 60, whole.length - 20);
    await writeFile(file, broken);
    expect((await verifyData(recipeOf(set), cache)).doubtful).toEqual([file]);
    // Its Huffman tables have impossible lengths.
    const tables = Buffer.from(whole).fill(0xff, whole.indexOf(Buffer.of(0xff, 0xc4)) + 5, whole.indexOf(Buffer.of(0xff, 0xc4)) + 21);
    await writeFile(file, tables);
    expect((await failureOf(verifyData(recipeOf(set), cache))).message).toContain(`${file}: its image data cannot be decoded`);
    expect((await readContent(recipeOf(set), { cache })).splits).toHaveLength(2);
  });

  test('a recipe without the size of images, and one with another number of channels', async () => {
    const { image: _, ...rest } = recipeOf(folder);
    expect(await failureOf(inspectData(rest))).toMatchObject({ code: 'recipe.invalid' });
    const grey = recipeOf(folder, { normalise: { mean: [0], std: [1] } });
    expect((await failureOf(loadSplit(grey, 'train', cache))).message).toMatch(/data\.normalise\.mean: 1 values for images of 3 channels/);
    const out = recipeOf(folder, { splits: { out: { part: '..', from: 0 } } });
    expect((await failureOf(inspectData(out))).message).toMatch(/must be the name of a folder in data\.path, such as train, not \.\./);
  });
});
