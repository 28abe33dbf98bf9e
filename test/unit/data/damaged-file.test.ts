/**
 * Files that are wrong, one row each: what was done to a valid set, and the file and byte that the error must name.
 * Inspecting finds what headers and sizes show; reading finds everything; neither returns anything.
 */

import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMATS } from '../../../src/data/catalogue.js';
import type { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { idxBytes, randomBytes, writeCifar10, writeCifar100, writeIdx } from '../../support/data-files.js';

type Change = (bytes: Buffer) => Buffer;
/**
 * What was done, to which file, the byte of the error (a function gets the length the file had), what it says,
 * whether inspecting sees it too, and the file that is named when it is another.
 */
type Row = readonly [
  what: string,
  file: string,
  change: Change,
  offset: number | ((length: number) => number),
  message: RegExp,
  seen?: 'header' | 'content',
  blamed?: string,
];

const put =
  (offset: number, ...values: number[]): Change =>
  (bytes) => {
    const copy = Buffer.from(bytes);
    copy.set(values, offset);
    return copy;
  };
const putWord =
  (offset: number, value: number): Change =>
  (bytes) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(value, offset);
    return copy;
  };
const cutTo =
  (length: number): Change =>
  (bytes) =>
    bytes.subarray(0, length);
const cutBy =
  (count: number): Change =>
  (bytes) =>
    bytes.subarray(0, bytes.length - count);
const add =
  (...values: number[]): Change =>
  (bytes) =>
    Buffer.concat([bytes, Uint8Array.from(values)]);
const become =
  (content: Uint8Array | string): Change =>
  () =>
    Buffer.from(content);

const IMAGES = 'train-images-idx3-ubyte';
const LABELS = 'train-labels-idx1-ubyte';
/** The valid set: 60 images of 12x10. */
const IMAGES_END = 16 + 60 * 120;
const LABELS_END = 8 + 60;

/** Rows about the content, which hold for a plain file and, with the same offsets, for what a gzip file holds. */
const IDX: readonly Row[] = [
  ['images: empty', IMAGES, cutTo(0), 0, /ends in its header: 16 bytes expected, 0 there/, 'header'],
  ['images: one byte', IMAGES, cutTo(1), 1, /ends in its header/, 'header'],
  ['images: cut in the magic', IMAGES, cutTo(3), 3, /ends in its header/, 'header'],
  ['images: cut in the axes', IMAGES, cutTo(13), 13, /ends in its header: 16 bytes expected, 13 there/, 'header'],
  ['images: first byte not zero', IMAGES, put(0, 1), 0, /is not idx: it starts with 0x0100/, 'header'],
  ['images: second byte not zero', IMAGES, put(1, 0x50), 0, /is not idx: it starts with 0x0050/, 'header'],
  ['images: little-endian magic', IMAGES, put(0, 3, 8, 0, 0), 0, /is not idx: it starts with 0x0308/, 'header'],
  ['images: a web page', IMAGES, become('<!DOCTYPE html><html>Not found</html>'), 0, /is not idx: it starts with 0x3c21/, 'header'],
  ['images: a PNG', IMAGES, put(0, 0x89, 0x50, 0x4e, 0x47), 0, /is not idx: it starts with 0x8950/, 'header'],
  ['images: signed bytes', IMAGES, put(2, 0x09), 2, /element type 0x9 is not 0x08/, 'header'],
  ['images: floats', IMAGES, put(2, 0x0d), 2, /element type 0xd is not 0x08/, 'header'],
  ['images: no type', IMAGES, put(2, 0), 2, /element type 0x0 is not 0x08/, 'header'],
  ['images: rank 1', IMAGES, put(3, 1), 3, /rank 1 is not 3/, 'header'],
  ['images: rank 4', IMAGES, put(3, 4), 3, /rank 4 is not 3/, 'header'],
  ['images: rank 255', IMAGES, put(3, 255), 3, /rank 255 is not 3/, 'header'],
  ['images: none of them', IMAGES, putWord(4, 0), 4, /holds no images/, 'header'],
  ['images: no rows', IMAGES, putWord(8, 0), 8, /side of 0/, 'header'],
  ['images: no columns', IMAGES, putWord(12, 0), 12, /side of 0/, 'header'],
  ['images: 1025 rows', IMAGES, putWord(8, 1025), 8, /side of 1025 is not from 1 to 1024/, 'header'],
  ['images: 2^32 - 1 columns', IMAGES, putWord(12, 0xffffffff), 12, /side of 4294967295/, 'header'],
  ['images: rows little-endian', IMAGES, put(8, 12, 0, 0, 0), 8, /side of 201326592/, 'header'],
  ['images: cut after the header', IMAGES, cutTo(16), 16, /cut short: 7216 bytes expected, 16 there/],
  ['images: cut within a picture', IMAGES, cutTo(5000), 5000, /cut short/],
  ['images: cut between two pictures', IMAGES, cutBy(120), IMAGES_END - 120, /cut short/],
  ['images: last byte gone', IMAGES, cutBy(1), IMAGES_END - 1, /cut short: 7216 bytes expected, 7215 there/],
  ['images: one byte more', IMAGES, add(0), IMAGES_END, /bytes after its end, which is at 7216/],
  ['images: the file twice', IMAGES, (bytes) => Buffer.concat([bytes, bytes]), IMAGES_END, /bytes after its end/],
  ['images: a row more in the header', IMAGES, putWord(8, 13), IMAGES_END, /cut short/],
  ['images: a column less in the header', IMAGES, putWord(12, 9), 16 + 60 * 108, /bytes after its end/],
  ['images: one more in the header than labels', IMAGES, putWord(4, 61), 4, /60 labels for the 61 images/, 'header', LABELS],
  ['images: 2^32 - 1 in the header', IMAGES, putWord(4, 0xffffffff), 4, /60 labels for the 4294967295 images/, 'header', LABELS],
  ['images: the labels in their place', IMAGES, become(idxBytes([60], new Uint8Array(60))), 3, /rank 1 is not 3/, 'header'],
  ['labels: empty', LABELS, cutTo(0), 0, /ends in its header: 8 bytes expected, 0 there/, 'header'],
  ['labels: cut in the header', LABELS, cutTo(7), 7, /ends in its header/, 'header'],
  ['labels: not idx', LABELS, put(0, 0xff, 0xfe), 0, /is not idx: it starts with 0xfffe/, 'header'],
  ['labels: 32-bit labels', LABELS, put(2, 0x0c), 2, /element type 0xc/, 'header'],
  ['labels: rank 3', LABELS, put(3, 3), 3, /rank 3 is not 1/, 'header'],
  ['labels: rank 0', LABELS, put(3, 0), 3, /rank 0 is not 1/, 'header'],
  ['labels: none', LABELS, putWord(4, 0), 4, /0 labels for the 60 images/, 'header'],
  ['labels: one fewer', LABELS, become(idxBytes([59], new Uint8Array(59))), 4, /59 labels for the 60 images/, 'header'],
  ['labels: one more', LABELS, become(idxBytes([61], new Uint8Array(61))), 4, /61 labels for the 60 images/, 'header'],
  ['labels: cut after the header', LABELS, cutTo(8), 8, /cut short: 68 bytes expected, 8 there/],
  ['labels: last byte gone', LABELS, cutBy(1), LABELS_END - 1, /cut short/],
  ['labels: one byte more', LABELS, add(3), LABELS_END, /bytes after its end/],
  ['labels: first out of range', LABELS, put(8, 10), 8, /label 10 of sample 0 is not a class from 0 to 9/],
  ['labels: one out of range', LABELS, put(8 + 33, 255), 41, /label 255 of sample 33/],
  ['labels: last out of range', LABELS, put(LABELS_END - 1, 10), LABELS_END - 1, /label 10 of sample 59/],
];

/** Rows about gzip itself: the change is to the compressed file, and so is the offset. */
const GZIP: readonly Row[] = [
  ['no longer compressed', `${IMAGES}.gz`, become(idxBytes([60, 12, 10], new Uint8Array(7200))), 0, /is not gzip.*take \.gz off/, 'header'],
  ['a web page', `${IMAGES}.gz`, become('<html>Not found</html>'), 0, /is not gzip/, 'header'],
  ['empty', `${IMAGES}.gz`, cutTo(0), 0, /cut short|ends in its header/, 'header'],
  ['one byte', `${IMAGES}.gz`, cutTo(1), 1, /cut short/, 'header'],
  ['cut in the gzip header', `${IMAGES}.gz`, cutTo(9), 9, /cut short: its gzip stream does not end/, 'header'],
  ['an unknown method', `${IMAGES}.gz`, put(2, 7), 0, /gzip stream is broken.*unknown compression method/, 'header'],
  ['flags that do not exist', `${IMAGES}.gz`, put(3, 0xe0), 0, /gzip stream is broken.*unknown header flags/, 'header'],
  ['a broken first block', `${IMAGES}.gz`, put(10, 0xff, 0xff), 0, /gzip stream is broken/, 'header'],
  ['cut in the middle', `${IMAGES}.gz`, cutTo(6000), 6000, /cut short: its gzip stream does not end/],
  ['without its checksum', `${LABELS}.gz`, cutBy(8), (length) => length - 8, /cut short: its gzip stream does not end/],
  ['last byte gone', `${LABELS}.gz`, cutBy(1), (length) => length - 1, /cut short: its gzip stream does not end/],
  ['a wrong checksum', `${IMAGES}.gz`, (bytes) => put(bytes.length - 8, bytes[bytes.length - 8]! ^ 1)(bytes), 4096, /incorrect data check/],
  ['a wrong length', `${IMAGES}.gz`, (bytes) => put(bytes.length - 1, 0x7f)(bytes), 4096, /incorrect length check/],
  [
    'zeros after its end',
    `${LABELS}.gz`,
    (bytes) => Buffer.concat([bytes, Buffer.alloc(20)]),
    (length) => length,
    /bytes after the end of its gzip stream/,
  ],
  ['text after its end', `${IMAGES}.gz`, (bytes) => Buffer.concat([bytes, Buffer.from('junk')]), 4096, /gzip stream is broken/],
  ['a bomb', `${IMAGES}.gz`, (bytes) => Buffer.concat([bytes, gzipSync(Buffer.alloc(200_000_000))]), IMAGES_END, /bytes after its end/],
];

const C10 = 1 + 3072;
const CIFAR10: readonly Row[] = [
  ['empty', 'data_batch_1.bin', cutTo(0), 0, /is empty/, 'header'],
  ['one byte', 'data_batch_1.bin', cutTo(1), 0, /its last record has 1 of 3073 bytes/, 'header'],
  ['a byte short of one record', 'data_batch_2.bin', cutTo(C10 - 1), 0, /its last record has 3072 of 3073 bytes/, 'header'],
  ['cut within a record', 'data_batch_3.bin', cutTo(3 * C10 + 100), 3 * C10, /its last record has 100 of 3073 bytes/, 'header'],
  ['last byte gone', 'data_batch_5.bin', cutBy(1), 7 * C10, /its last record has 3072 of 3073 bytes/, 'header'],
  ['one byte more', 'data_batch_4.bin', add(0), 8 * C10, /its last record has 1 of 3073 bytes/, 'header'],
  ['a web page', 'data_batch_1.bin', become('<html>Not found</html>'), 0, /its last record has 22 of 3073 bytes/, 'header'],
  ['records of CIFAR-100', 'data_batch_1.bin', become(randomBytes(8 * 3074, 4)), 8 * C10, /its last record has 8 of 3073 bytes/, 'header'],
  ['first label out of range', 'data_batch_1.bin', put(0, 10), 0, /fine label 10 of record 0 is not a class from 0 to 9/],
  ['a label out of range', 'data_batch_4.bin', put(5 * C10, 200), 5 * C10, /fine label 200 of record 5/],
  ['last label out of range', 'data_batch_5.bin', put(7 * C10, 10), 7 * C10, /fine label 10 of record 7/],
  ['compressed', 'data_batch_1.bin', (bytes) => gzipSync(bytes).subarray(0, 2 * C10), 0, /fine label 31 of record 0/],
];

const C100 = 2 + 3072;
const CIFAR100: readonly Row[] = [
  ['empty', 'train.bin', cutTo(0), 0, /is empty/, 'header'],
  ['cut within a record', 'train.bin', cutTo(5 * C100 + 1), 5 * C100, /its last record has 1 of 3074 bytes/, 'header'],
  ['last byte gone', 'train.bin', cutBy(1), 19 * C100, /its last record has 3073 of 3074 bytes/, 'header'],
  ['two bytes more', 'train.bin', add(0, 0), 20 * C100, /its last record has 2 of 3074 bytes/, 'header'],
  ['records of CIFAR-10', 'train.bin', become(randomBytes(8 * 3073, 4)), 7 * C100, /its last record has 3066 of 3074 bytes/, 'header'],
  ['a coarse label out of range', 'train.bin', put(4 * C100, 20), 4 * C100, /coarse label 20 of record 4 is not a class from 0 to 19/],
  [
    'a fine label out of range',
    'train.bin',
    put(6 * C100 + 1, 100),
    6 * C100 + 1,
    /fine label 100 of record 6 is not a class from 0 to 99/,
  ],
];

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse-damaged-'));
});
afterAll(() => rm(root, { recursive: true }));

async function failureOf(work: Promise<unknown>): Promise<StillhouseError> {
  const outcome = await work.then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(outcome).toMatchObject({ name: 'StillhouseError' });
  return outcome as StillhouseError;
}

/** Applies a row to the set in `folder`, and expects its error from reading and, where headers show it, from inspecting. */
async function expectDamage(format: keyof typeof FORMATS, folder: string, row: Row): Promise<void> {
  const [, name, change, offset, message, seen = 'content', blamed = name] = row;
  const before = await readFile(join(folder, name));
  await writeFile(join(folder, name), change(before));
  const file = join(folder, blamed);
  const byte = typeof offset === 'number' ? offset : offset(before.length);
  for (const labels of FORMATS[format].labelSets) {
    const source = { folder, part: 'train', labels } as const;
    const works = [FORMATS[format].read(source), ...(seen === 'header' ? [FORMATS[format].inspect(source)] : [])];
    for (const error of await Promise.all(works.map(failureOf))) {
      expect(error).toMatchObject({ code: 'data.damaged', details: { file, offset: byte } });
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${file}: `);
    }
  }
}

const newFolder = (): Promise<string> => mkdtemp(join(root, 'set-'));

const named = (rows: readonly Row[]) => rows.map((row) => ({ what: row[0], row }));

describe('damaged files', () => {
  test.each(named(IDX))('idx, plain: $what', async ({ row }) => {
    const folder = await newFolder();
    await writeIdx(folder);
    await expectDamage('idx', folder, row);
  });

  test.each(named(IDX))('idx, within gzip: $what', async ({ row }) => {
    const [what, name, change, offset, message, seen = 'content', blamed = name] = row;
    const folder = await newFolder();
    await writeIdx(folder, { gzip: true });
    const within: Change = (bytes) => gzipSync(change(gunzipSync(bytes)));
    await expectDamage('idx', folder, [what, `${name}.gz`, within, offset, message, seen, `${blamed}.gz`]);
  });

  test.each(named(GZIP))('idx, gzip itself: $what', async ({ row }) => {
    const folder = await newFolder();
    await writeIdx(folder, { gzip: true });
    await expectDamage('idx', folder, row);
  });

  test.each(named(CIFAR10))('cifar10: $what', async ({ row }) => {
    const folder = await newFolder();
    await writeCifar10(folder);
    await expectDamage('cifar10', folder, row);
  });

  test.each(named(CIFAR100))('cifar100: $what', async ({ row }) => {
    const folder = await newFolder();
    await writeCifar100(folder);
    await expectDamage('cifar100', folder, row);
  });
});

describe('a published set cut between two records', () => {
  test('cifar10: half of one file', async () => {
    const folder = await newFolder();
    await writeCifar10(folder, { perFile: 1, test: 1 });
    const whole = Buffer.alloc(10_000 * C10);
    for (const batch of [1, 2, 4, 5]) await writeFile(join(folder, `data_batch_${batch}.bin`), whole);
    const file = join(folder, 'data_batch_3.bin');
    await writeFile(file, whole.subarray(0, 5000 * C10));
    const source = { folder, part: 'train', labels: 'fine' } as const;
    const error = await failureOf(FORMATS.cifar10.inspect(source));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file, offset: 5000 * C10 } });
    expect(error.message).toMatch(/5000 records.*published set.*10000/);
    await writeFile(file, Buffer.alloc(10_001 * C10));
    expect(await failureOf(FORMATS.cifar10.read(source))).toMatchObject({ details: { file, offset: 10_000 * C10 } });
  });

  test('cifar100: the training file, by the size of the other', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'test.bin'), Buffer.alloc(10_000 * C100));
    await writeFile(join(folder, 'train.bin'), Buffer.alloc(40_000 * C100));
    const error = await failureOf(FORMATS.cifar100.inspect({ folder, part: 'train', labels: 'fine' }));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file: join(folder, 'train.bin'), offset: 40_000 * C100 } });
  });
});

describe('missing files', () => {
  const rows: [keyof typeof FORMATS, string, RegExp][] = [
    ['idx', IMAGES, /looked for train-images-idx3-ubyte or train-images-idx3-ubyte\.gz/],
    ['idx', LABELS, /looked for train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz/],
    ['cifar10', 'data_batch_1.bin', /looked for data_batch_1\.bin/],
    ['cifar10', 'data_batch_3.bin', /looked for data_batch_3\.bin/],
    ['cifar10', 'data_batch_5.bin', /looked for data_batch_5\.bin/],
    ['cifar100', 'train.bin', /looked for train\.bin/],
  ];
  const writers = { idx: writeIdx, cifar10: writeCifar10, cifar100: writeCifar100 };

  test.each(rows)('%s without %s', async (format, name, message) => {
    const source = { folder: await newFolder(), part: 'train', labels: 'fine' } as const;
    await writers[format](source.folder);
    await rename(join(source.folder, name), join(source.folder, 'elsewhere'));
    for (const work of [FORMATS[format].inspect, FORMATS[format].read]) {
      const error = await failureOf(work(source));
      expect(error).toMatchObject({ code: 'data.missing', details: { file: source.folder } });
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/change data\.path/);
    }
    // A folder of that name is not the file.
    await mkdir(join(source.folder, name));
    expect(await failureOf(FORMATS[format].read(source))).toMatchObject({ code: 'data.missing' });
  });
});
