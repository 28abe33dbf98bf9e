/** The format idx: valid sets, damaged and missing files. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { add, become, type Change, cutBy, cutTo, type Damage, put, putWord } from '../../../support/damage.js';
import { idxBytes, randomBytes, writeIdx } from '../../../support/data-files.js';
import { describeFormat, formatNamed, newFolder } from '../../../support/format-cases.js';

const IMAGES = 'train-images-idx3-ubyte';
const LABELS = 'train-labels-idx1-ubyte';
/** The valid set: 60 images of 12x10. */
const IMAGES_END = 16 + 60 * 120;
const LABELS_END = 8 + 60;

/** Rows about the content, which hold for a plain file and, with the same offsets, for what a gzip file holds. */
const IDX: readonly Damage[] = [
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
const GZIP: readonly Damage[] = [
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

/** The same change, and the same offset, within a gzip file. */
function withinGzip([what, name, change, offset, message, seen = 'content', blamed = name]: Damage): Damage {
  const within: Change = (bytes) => gzipSync(change(gunzipSync(bytes)));
  return [what, `${name}.gz`, within, offset, message, seen, `${blamed}.gz`];
}

const writeGzip = (folder: string) => writeIdx(folder, { gzip: true });
const SET = { labels: 'fine', shape: { height: 12, width: 10, channels: 1, classes: 10 }, counts: { train: 60, test: 20 } };

describeFormat({
  name: 'idx',
  sets: [
    { what: 'plain', write: writeIdx, ...SET },
    { what: 'gzip', write: writeGzip, ...SET },
  ],
  damages: [
    { what: 'plain', write: writeIdx, rows: IDX },
    { what: 'within gzip', write: writeGzip, rows: IDX.map(withinGzip) },
    { what: 'gzip itself', write: writeGzip, rows: GZIP },
  ],
  missing: [
    [IMAGES, /looked for train-images-idx3-ubyte or train-images-idx3-ubyte\.gz/],
    [LABELS, /looked for train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz/],
  ],
});

test('pixels and labels are those of the files, gzip or not, several gzip members or one', async () => {
  const images = randomBytes(3 * 4 * 5, 9);
  const labels = Uint8Array.of(9, 0, 4);
  const imageFile = idxBytes([3, 4, 5], images);
  const encodings: [string, Buffer][] = [
    ['', imageFile],
    ['.gz', gzipSync(imageFile)],
    ['.gz', Buffer.concat([gzipSync(imageFile.subarray(0, 30)), gzipSync(imageFile.subarray(30))])],
  ];
  for (const [suffix, bytes] of encodings) {
    const folder = await newFolder();
    await writeFile(join(folder, `train-images-idx3-ubyte${suffix}`), bytes);
    await writeFile(join(folder, 'train-labels-idx1-ubyte.gz'), gzipSync(idxBytes([3], labels)));
    const part = await formatNamed('idx').read({ folder, part: 'train', labels: 'fine' });
    expect(Uint8Array.from(part.pixels)).toEqual(images);
    expect(Uint8Array.from(part.labels)).toEqual(labels);
    expect(part.files).toEqual([
      { file: join(folder, `train-images-idx3-ubyte${suffix}`), samples: 3 },
      { file: join(folder, 'train-labels-idx1-ubyte.gz'), samples: 3 },
    ]);
  }
});
