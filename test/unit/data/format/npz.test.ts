/** The format `npz`: archives of NumPy itself, of one part or of all, and what is wrong with one. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { present } from '../../../../src/base/assert.js';
import type { DataRecipe } from '../../../../src/config/schema.js';
import { classNamesOf } from '../../../../src/data/class-names.js';
import { fingerprintSplit, inspectData, verifyData } from '../../../../src/data/dataset.js';
import { FingerprintCache } from '../../../../src/data/fingerprint-cache.js';
import { packageFolder } from '../../../../src/process/package-folder.js';
import { become, cutBy, type Damage } from '../../../support/damage.js';
import { randomBytes } from '../../../support/data-files.js';
import { describeFormat, failureOf, formatNamed, newFolder } from '../../../support/format-cases.js';
import { npyBytes, npyOf, npzBytes } from '../../../support/npz-writer.js';

const GOLDEN = join(packageFolder, 'test/unit/data/golden/npz');
const pixels = randomBytes(6 * 4 * 5 * 3, 7);
const IMAGES = npyBytes({ shape: [6, 4, 5, 3], elements: pixels });
const LABELS = [0, 6, 1, 2, 3, 4];
const wide = (labels: readonly number[]) => new Uint8Array(BigInt64Array.from(labels, BigInt).buffer);
const labelsOf = (labels: readonly number[], shape: readonly number[] = [labels.length]) =>
  npyBytes({ descr: '<i8', shape, elements: wide(labels) });
/** The bytes before the elements of these arrays. */
const HEADER = 128;

/** 6 images of 4x5 in train, 2 in test. */
const writeSet = (compress: boolean) => async (folder: string) => {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'train.npz'), await npzBytes({ 'images.npy': IMAGES, 'labels.npy': labelsOf(LABELS) }, compress));
  const images = npyBytes({ shape: [2, 4, 5, 3], elements: pixels.subarray(0, 120) });
  await writeFile(join(folder, 'test.npz'), await npzBytes({ 'images.npy': images, 'labels.npy': labelsOf([6, 0]) }, compress));
};

const set = { labels: 'fine', shape: { height: 4, width: 5, channels: 3, classes: 7 }, counts: { train: 6, test: 2 } };

interface Arrays {
  readonly images?: Uint8Array | null;
  readonly labels?: Uint8Array | null;
}

/** A row for an archive with other arrays than those that are right. */
async function row(what: string, { images = IMAGES, labels = labelsOf(LABELS) }: Arrays, offset: number, message: RegExp): Promise<Damage> {
  const members = { ...(images === null ? {} : { 'images.npy': images }), ...(labels === null ? {} : { 'labels.npy': labels }) };
  return [what, 'train.npz', become(await npzBytes(members, what.length % 2 === 0)), offset, message, 'header'];
}

const grey = (shape: readonly number[], bytes: number, more: object = {}) => ({
  images: npyBytes({ shape, elements: pixels.subarray(0, bytes), ...more }),
});
const rows = await Promise.all([
  row('floats', grey([6, 4, 5, 3], 360, { descr: '<f4' }), 0, /member images\.npy: has elements of float32, not uint8.*astype/),
  row('objects', grey([6], 360, { descr: '|O' }), 0, /images\.npy: has elements of object/),
  row(
    'a structure',
    { images: npyOf("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (6,), }", pixels) },
    0,
    /elements of \[\('a'/,
  ),
  row('Fortran order', grey([6, 4, 5, 3], 360, { order: 'True' }), 0, /Fortran order.*ascontiguousarray/),
  row('one axis', grey([360], 360), 0, /has the shape \(360\).*\[N, H, W\]/),
  row('channels in front', grey([6, 3, 4, 5], 360), 0, /has 5 channels.*transpose/),
  row('no image', grey([0, 4, 5, 3], 0), 0, /holds no images/),
  row('a side beyond reason', grey([6, 2000, 5, 3], 360), 0, /an image side of 2000/),
  row(
    'fewer elements than the shape',
    grey([6, 4, 5, 3], 300),
    HEADER + 300,
    /cut short: the shape \(6, 4, 5, 3\) has 360 bytes, and there are 300/,
  ),
  row('a huge shape', grey([600_000_000, 4, 5, 3], 360), HEADER + 360, /cut short: the shape/),
  row('more elements than the shape', grey([6, 4, 5], 130), HEADER + 120, /bytes after its elements/),
  row('no array', { images: Buffer.from('hello, no array') }, 0, /does not begin with/),
  row('a later version', { images: npyOf('{}', pixels, 4) }, 6, /version 4/),
  row('a broken header', { images: npyOf("{'descr': '|u1', 'shape': (6,), }", pixels) }, 10, /does not say descr/),
  row('a header that ends', { images: IMAGES.subarray(0, 60) }, 60, /cut short: it ends after 60 bytes/),
  row('other numbers of labels', { labels: labelsOf([0, 1, 2]) }, 0, /labels\.npy: has 3 labels for 6 images/),
  row('labels one-hot', { labels: labelsOf(Array(12).fill(0), [6, 2]) }, 0, /has the shape \(6, 2\).*\[N\] or \[N, 1\]/),
  row(
    'labels that are floats',
    { labels: npyBytes({ descr: '<f8', shape: [6], elements: wide(LABELS) }) },
    0,
    /float64, not whole numbers/,
  ),
  row('a negative label', { labels: labelsOf([0, 1, -1, 2, 3, 4]) }, HEADER + 16, /labels\.npy: the label -1 is no whole number/),
  row('a label beyond reason', { labels: labelsOf([0, 1, 2, 3, 4, 5e9]) }, HEADER + 40, /5000000000 is not a class/),
  row('one class', { labels: labelsOf([0, 0, 0, 0, 0, 0]) }, HEADER, /all images have the label "0"/),
]);

describeFormat({
  name: 'npz',
  sets: [
    { what: 'stored', write: writeSet(false), ...set },
    { what: 'deflated', write: writeSet(true), ...set },
  ],
  damages: [
    { what: 'arrays', write: writeSet(false), rows },
    {
      what: 'archives',
      write: writeSet(true),
      rows: [
        ['last byte gone', 'train.npz', cutBy(1), (length) => length - 1, /is no whole zip archive/, 'header'],
        [
          'half of it',
          'train.npz',
          (bytes) => bytes.subarray(0, bytes.length >> 1),
          (length) => length >> 1,
          /is no whole zip archive/,
          'header',
        ],
        ['a page of a website', 'train.npz', become('<html>404</html>'), 16, /is no whole zip archive/, 'header'],
      ],
    },
  ],
  missing: [['train.npz', /looked for train\.npz/]],
});

const NORMALISE = { mean: [0.5], std: [0.3] };
const recipeOf = (path: string, part: string, changes: Partial<DataRecipe> = {}): DataRecipe => ({
  ...{ format: 'npz', path, labels: 'fine', normalise: NORMALISE, splits: { [part]: { part, from: 0 } } },
  ...changes,
});

describe('archives that NumPy wrote', () => {
  test('one of all parts, deflated, with labels [N, 1]', async () => {
    const source = { folder: join(GOLDEN, 'medical.npz'), labels: 'fine', classes: 4 };
    const train = await formatNamed('npz').read({ ...source, part: 'train' });
    expect(train).toMatchObject({ count: 5, height: 6, width: 4, channels: 1, classes: 4, labels: Int32Array.of(0, 3, 1, 2, 3) });
    const second = await formatNamed('npz').read({ ...source, part: 'test' });
    // As NumPy shows them.
    expect(second.labels).toEqual(Int32Array.of(2, 0, 1));
    expect(train.pixels.reduce((sum, byte) => sum + byte, 0)).toBe(13_819);
    expect([...train.pixels.subarray(4 * 24, 4 * 24 + 8)]).toEqual([189, 181, 64, 72, 8, 185, 88, 111]);
  });

  test('one of a part, stored, with channels and labels of the other byte order', async () => {
    const { pixels, labels, files } = await formatNamed('npz').read({ folder: GOLDEN, part: 'test', labels: 'fine' });
    expect(labels).toEqual(Int32Array.of(2, 0, 1));
    expect(pixels.reduce((sum, byte) => sum + byte, 0)).toBe(23_947);
    expect([...pixels.subarray(90, 96)]).toEqual([216, 230, 10, 242, 173, 16]);
    expect(files).toEqual([{ file: join(GOLDEN, 'test.npz'), samples: 3 }]);
  });

  test('the recipe names arrays and classes; a fingerprint is of both', async () => {
    const cache = new FingerprintCache(join(await newFolder(), 'fingerprints.json'));
    const path = join(GOLDEN, 'medical.npz');
    const plain = recipeOf(path, 'test');
    expect(await inspectData(plain, cache)).toMatchObject({ classes: 3, splitSizes: { test: 3 } });
    const named = recipeOf(path, 'test', { classes: ['a', 'b', 'c'], npz: { images: '{part}_images', labels: 'test_labels' } });
    const prints = await Promise.all([plain, named].map((recipe) => fingerprintSplit(recipe, 'test', cache)));
    expect(prints[1]).toBe(prints[0]);
    expect(await fingerprintSplit({ ...plain, classes: 4 }, 'test', cache)).not.toBe(prints[0]);
    // From the cache, by the settings.
    expect(await fingerprintSplit({ ...plain, classes: 4 }, 'test', cache)).not.toBe(prints[0]);
    expect(await classNamesOf(named, cache)).toEqual(['a', 'b', 'c']);
    // Numbers stay numbers, whatever the names are.
    expect(await fingerprintSplit({ ...plain, classes: ['1', '2', '0'] }, 'test', cache)).toBe(prints[0]);
    const { splits } = await verifyData(named, cache);
    expect(splits[0]).toMatchObject({ name: 'test', fingerprint: prints[0], classCounts: [1, 1, 1] });
    const wrong = recipeOf(path, 'test', { npz: { images: 'x_{part}' } });
    expect((await failureOf(inspectData(wrong, cache))).message).toMatch(/has no array x_test; it has train_images.*npz: \{ images/);
    const few = recipeOf(path, 'train', { classes: 3 });
    expect((await failureOf(inspectData(few, cache))).message).toMatch(/member train_labels\.npy: the label 3 is not a class from 0 to 2/);
  });

  test('a byte that changed, which its checksum shows; nothing is given', async () => {
    const folder = await newFolder();
    const bytes = await readFile(join(GOLDEN, 'test.npz'));
    bytes[present(bytes.indexOf(Buffer.of(216, 230, 10, 242)), 'a pixel')]! ^= 1;
    await writeFile(join(folder, 'test.npz'), bytes);
    const error = await failureOf(formatNamed('npz').read({ folder, part: 'test', labels: 'fine' }));
    expect(error).toMatchObject({ code: 'data.damaged', what: expect.stringMatching(/member images\.npy: its checksum is wrong/) });
  });
});
