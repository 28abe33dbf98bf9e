/** The format cifar10: valid sets, damaged and missing files. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { add, become, cutBy, cutTo, type Damage, put } from '../../../support/damage.js';
import { cifarBytes, planarPixel, randomBytes, writeCifar10 } from '../../../support/data-files.js';
import { describeFormat, failureOf, formatNamed, newFolder } from '../../../support/format-cases.js';

const C10 = 1 + 3072;
const CIFAR10: readonly Damage[] = [
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

const shape = { height: 32, width: 32, channels: 3, classes: 10 };

describeFormat({
  name: 'cifar10',
  sets: [{ what: 'plain', write: writeCifar10, labels: 'fine', shape, counts: { train: 40, test: 8 } }],
  damages: [{ what: 'plain', write: writeCifar10, rows: CIFAR10 }],
  missing: [1, 3, 5].map((batch) => [`data_batch_${batch}.bin`, new RegExp(`looked for data_batch_${batch}\\.bin`)] as const),
});

test('planes become channels, files follow one another', async () => {
  const folder = await newFolder();
  const files = [1, 2, 3, 4, 5].map((batch) => cifarBytes(batch, 100 + batch, (i) => [(i + batch) % 10]));
  for (const [i, bytes] of files.entries()) await writeFile(join(folder, `data_batch_${i + 1}.bin`), bytes);
  const part = await formatNamed('cifar10').read({ folder, part: 'train', labels: 'fine' });
  expect(part.files.map(({ samples }) => samples)).toEqual([1, 2, 3, 4, 5]);
  let sample = 0;
  for (const [i, bytes] of files.entries()) {
    for (let record = 0; record <= i; record++, sample++) {
      expect(part.labels[sample]).toBe((record + i + 1) % 10);
      for (const [y, x, channel] of [
        [0, 0, 0],
        [0, 1, 2],
        [13, 30, 1],
        [31, 31, 2],
      ] as const) {
        const pixel = part.pixels[((sample * 32 + y) * 32 + x) * 3 + channel];
        expect(pixel).toBe(planarPixel(bytes, { record, labelBytes: 1, y, x, channel }));
      }
    }
  }
});

test('a published set in which half of one file is missing', async () => {
  const folder = await newFolder();
  await writeCifar10(folder, { perFile: 1, test: 1 });
  const whole = Buffer.alloc(10_000 * C10);
  for (const batch of [1, 2, 4, 5]) await writeFile(join(folder, `data_batch_${batch}.bin`), whole);
  const file = join(folder, 'data_batch_3.bin');
  await writeFile(file, whole.subarray(0, 5000 * C10));
  const source = { folder, part: 'train', labels: 'fine' };
  const error = await failureOf(formatNamed('cifar10').inspect(source));
  expect(error).toMatchObject({ code: 'data.damaged', details: { file, offset: 5000 * C10 } });
  expect(error.message).toMatch(/5000 records.*published set.*10000/);
  await writeFile(file, Buffer.alloc(10_001 * C10));
  expect(await failureOf(formatNamed('cifar10').read(source))).toMatchObject({ details: { file, offset: 10_000 * C10 } });
});
