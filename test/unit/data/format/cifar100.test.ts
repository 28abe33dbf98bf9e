/** The format cifar100: valid sets, damaged and missing files. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { add, become, cutBy, cutTo, type Damage, put } from '../../../support/damage.js';
import { cifarBytes, planarPixel, randomBytes, writeCifar100 } from '../../../support/data-files.js';
import { describeFormat, failureOf, formatNamed, newFolder } from '../../../support/format-cases.js';

const C100 = 2 + 3072;
const CIFAR100: readonly Damage[] = [
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

const SET = { what: 'plain', write: writeCifar100, counts: { train: 20, test: 8 } };
const SHAPE = { height: 32, width: 32, channels: 3 };

describeFormat({
  name: 'cifar100',
  sets: [
    { ...SET, labels: 'fine', shape: { ...SHAPE, classes: 100 } },
    { ...SET, labels: 'coarse', shape: { ...SHAPE, classes: 20 } },
  ],
  damages: [{ what: 'plain', write: writeCifar100, rows: CIFAR100 }],
  missing: [['train.bin', /looked for train\.bin/]],
});

test('coarse and fine labels of the same records', async () => {
  const folder = await newFolder();
  const bytes = cifarBytes(30, 5, (i) => [i % 20, 99 - i]);
  await writeFile(join(folder, 'test.bin'), bytes);
  const fine = await formatNamed('cifar100').read({ folder, part: 'test', labels: 'fine' });
  const coarse = await formatNamed('cifar100').read({ folder, part: 'test', labels: 'coarse' });
  expect([...fine.labels]).toEqual(Array.from({ length: 30 }, (_, i) => 99 - i));
  expect([...coarse.labels]).toEqual(Array.from({ length: 30 }, (_, i) => i % 20));
  expect(fine.pixels).toEqual(coarse.pixels);
  expect(fine.pixels[(29 * 1024 + 7 * 32 + 3) * 3 + 1]).toBe(planarPixel(bytes, { record: 29, labelBytes: 2, y: 7, x: 3, channel: 1 }));
});

test('a published set whose training file is too short, which the size of the other file shows', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, 'test.bin'), Buffer.alloc(10_000 * C100));
  await writeFile(join(folder, 'train.bin'), Buffer.alloc(40_000 * C100));
  const error = await failureOf(formatNamed('cifar100').inspect({ folder, part: 'train', labels: 'fine' }));
  expect(error).toMatchObject({ code: 'data.damaged', details: { file: join(folder, 'train.bin'), offset: 40_000 * C100 } });
});
