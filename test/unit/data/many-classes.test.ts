/** Labels beyond a byte: a format of 1,000 classes, from its file to the batch that a loader thread assembles. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintOf } from '../../../src/data/fingerprint.js';
import type { ResidentFormat } from '../../../src/data/format.js';
import { BatchStream } from '../../../src/data/loader/batch-stream.js';
import { openLoader } from '../../../src/data/loader/loader.js';
import { residentSource } from '../../../src/data/resident-source.js';
import { randomBytes } from '../../support/data-files.js';
import { loaderProgram } from '../../support/loader-program.js';

const SHAPE = { height: 2, width: 2, channels: 3, classes: 1000 };
const RECORD = 2 + 12;
const COUNT = 2000;

/** Records of 16 bits of label, the lower byte first, and 12 bytes of pixels. */
const wideFormat: ResidentFormat = {
  kind: 'resident',
  parts: ['train'],
  labelSets: ['fine'],
  channels: 3,
  files: async ({ folder, part }) => [join(folder, `${part}.wide`)],
  inspect: async (source) => ({ ...SHAPE, count: (await wideFormat.read(source)).count }),
  async read(source) {
    const [file] = await wideFormat.files(source);
    const bytes = await readFile(file!);
    const count = bytes.length / RECORD;
    const pixels = Uint8Array.from({ length: count * 12 }, (_, i) => bytes[Math.floor(i / 12) * RECORD + 2 + (i % 12)]!);
    const labels = Int32Array.from({ length: count }, (_, i) => bytes.readUInt16LE(i * RECORD));
    return { ...SHAPE, count, pixels, labels, files: [{ file: file!, samples: count }] };
  },
};

/** Each class twice, in an order in which neighbours differ in both bytes. */
const classOf = (sample: number) => (sample * 387) % 1000;

test('no label of 1,000 classes is cut', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-wide-'));
  const bytes = Buffer.from(randomBytes(COUNT * RECORD, 6));
  for (let i = 0; i < COUNT; i++) bytes.writeUInt16LE(classOf(i), i * RECORD);
  await writeFile(join(folder, 'train.wide'), bytes);
  const part = await wideFormat.read({ folder, part: 'train', labels: 'fine' });
  await rm(folder, { recursive: true });

  const split = residentSource(part, { name: 'some', from: 100, to: COUNT });
  expect(split).toMatchObject({ ...SHAPE, count: COUNT - 100 });
  const loader = openLoader({ shape: SHAPE, rows: 4 * 200, threads: 2, program: loaderProgram() });
  const view = { seed: 1, epoch: 0, augment: null, normalise: { mean: [0, 0, 0], std: [1, 1, 1] } };
  const requests = Array.from({ length: 9 }, (_, batch) => ({
    ...{ split, view },
    samples: Int32Array.from({ length: 200 }, (_, i) => batch * 200 + i),
  }));
  const stream = new BatchStream(loader, requests);
  const seen = new Set<number>();
  for (const { samples } of requests) {
    const { labels } = await stream.next();
    const expected = [...samples].map((sample) => classOf(100 + sample));
    expect([...labels]).toEqual(expected);
    expect([...samples].map((sample) => split.label(sample))).toEqual(expected);
    for (const label of labels) seen.add(label);
  }
  stream.close();
  await loader.close();
  expect(seen.size).toBe(1000);
  expect(Math.max(...seen)).toBe(999);

  const cut = { ...part, labels: part.labels.map((label) => label % 256) };
  expect(await fingerprintOf(cut)).not.toBe(await fingerprintOf(part));
});
