/** The data that a coordinator gives to workers without files: whole, in time, and no faster than its rate. */

import { createHash } from 'node:crypto';
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import type { DataRecipe } from '../../../src/config/schema.js';
import { fingerprintSplit } from '../../../src/data/dataset.js';
import type { DataReply } from '../../../src/rpc/data-server.js';
import { writeIdx } from '../../support/data-files.js';
import { writeNoiseFolder } from '../../support/image-folder.js';
import { feedOf } from '../../support/split-feed.js';
import { writeShards } from '../../support/tar-writer.js';
import { scratchFolder } from './scratch-folder.js';
import { VirtualClock } from './virtual-clock.js';

const head = { id: 1, tensors: [] };
const rowsFrom = (from: number, split = 'train') => ({ type: 'split.get', ...head, split, from }) as const;
const images = (split = 'train') => ({ type: 'image.get', ...head, split }) as const;
const samplesOf = (...samples: number[]) => [
  { name: 'samples', dtype: 'int32' as const, shape: [samples.length], data: Int32Array.from(samples) },
];
const bytesOf = ({ tensors }: DataReply, i = 0) => tensors[i]!.data as Uint8Array;

async function opened(kind: 'idx' | 'folder', options: Parameters<typeof feedOf>[2] = {}) {
  const path = join(scratchFolder(), 'data');
  await (kind === 'idx' ? writeIdx(path) : writeNoiseFolder(path));
  const coded = { image: { size: 16 }, normalise: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] } };
  const recipe: DataRecipe = {
    ...{ format: kind, path, labels: 'fine', normalise: { mean: [0.5], std: [1] }, splits: { train: { part: 'train', from: 2 } } },
    ...(kind === 'folder' ? coded : {}),
  };
  const fingerprints = { train: await fingerprintSplit(recipe, 'train') };
  return { path, recipe, fingerprints, feed: feedOf(recipe, fingerprints, options) };
}

test('images in memory are rows, as many as an answer holds, at least one', async () => {
  const { feed, recipe, fingerprints } = await opened('idx', { answerBytes: 10 * 124 + 5 });
  const first = await feed.rows(rowsFrom(0));
  expect(first.header).toEqual({
    type: 'split.answer',
    split: 'train',
    from: 0,
    kind: 'resident',
    count: 58,
    height: 12,
    width: 10,
    channels: 1,
    classes: 10,
  });
  expect(first.tensors[0]).toMatchObject({ name: 'rows', dtype: 'uint8', shape: [10, 124] });
  const last = await feed.rows(rowsFrom(57));
  expect(last.tensors[0]?.shape).toEqual([1, 124]);
  const one = await feedOf(recipe, fingerprints, { answerBytes: 1 }).rows(rowsFrom(57));
  expect([...bytesOf(one)]).toEqual([...bytesOf(last)]);
  expect((await feed.rows(rowsFrom(59))).header).toMatchObject({ type: 'refuse', reason: 'unknown-sample' });
  expect((await feed.rows(rowsFrom(0, 'constructor'))).header).toMatchObject({ type: 'refuse', reason: 'missing' });
  expect((await feed.images(images(), samplesOf(0))).header).toMatchObject({ type: 'refuse', reason: 'missing' });
});

test('coded images are the bytes of their files, the first ones that an answer holds', async () => {
  const { feed, path, recipe, fingerprints } = await opened('folder');
  const { header, tensors } = await feed.rows(rowsFrom(0));
  expect(header).toMatchObject({ kind: 'coded', count: 10, height: 16, width: 16, channels: 3, classes: 3 });
  expect(tensors[0]?.shape).toEqual([10, 40]);
  const files = ['Eel/2.jpg', 'dog/3.jpg'].map((name) => readFileSync(join(path, 'train', name)));
  const both = await feed.images(images(), samplesOf(0, 9));
  expect([...bytesOf(both, 0)]).toEqual(files.map(({ length }) => length));
  expect(Buffer.compare(bytesOf(both, 1), Buffer.concat(files))).toBe(0);
  const digest = createHash('sha256').update(files[1]!).digest();
  expect([...bytesOf({ header, tensors }).subarray(9 * 40, 9 * 40 + 32)]).toEqual([...digest]);
  const small = feedOf(recipe, fingerprints, { answerBytes: 10 });
  expect([...bytesOf(await small.images(images(), samplesOf(9, 0)))]).toEqual([files[1]!.length]);
});

test.each([
  ['no samples', samplesOf(), 'invalid-message'],
  ['no tensor', [], 'invalid-message'],
  ['too many samples', samplesOf(...new Array<number>(LIMITS.rowsPerRequest + 1).fill(0)), 'invalid-message'],
  ['a sample that is not there', samplesOf(0, 10), 'unknown-sample'],
  ['a sample below the first', samplesOf(-1), 'unknown-sample'],
])('a request with %s is refused', async (_, tensors, reason) => {
  const { feed } = await opened('folder');
  expect((await feed.images(images(), tensors)).header).toMatchObject({ type: 'refuse', reason });
});

test('what has changed since the run began is not given', async () => {
  const { feed, path, recipe } = await opened('folder');
  await feed.rows(rowsFrom(0));
  writeFileSync(join(path, 'train/dog/3.jpg'), readFileSync(join(path, 'train/dog/2.jpg')));
  await expect(feed.images(images(), samplesOf(0, 9))).rejects.toMatchObject({
    code: 'data.damaged',
    details: { file: join(path, 'train/dog/3.jpg') },
  });
  expect((await feed.images(images(), samplesOf(0))).header).toMatchObject({ type: 'image.answer' });
  await expect(feedOf(recipe, { train: 'ab'.repeat(32) }).rows(rowsFrom(0))).rejects.toMatchObject({ code: 'data.damaged' });
});

test('answers come no faster than the rate, one after the other, and not too many wait', async () => {
  const clock = new VirtualClock();
  const { feed } = await opened('idx', { answerBytes: 620, rate: 124, clock });
  await feed.rows(rowsFrom(0));
  const answered: number[] = [];
  const asked = Array.from({ length: 3 }, (_, i) => feed.rows(rowsFrom(5 * i)).then(() => void answered.push(clock.nowMs())));
  await clock.advance(4_000);
  expect(answered).toEqual([]);
  await clock.advance(11_000);
  await Promise.all(asked);
  expect(answered).toEqual([5_000, 10_000, 15_000]);
  const many = Array.from({ length: 65 }, () => feed.rows(rowsFrom(0)));
  expect((await many[64])?.header).toMatchObject({ type: 'refuse', reason: 'busy' });
});

test('however many ask, each is answered before it gives up, and the rate is used', async () => {
  const clock = new VirtualClock();
  // An answer of 30 rows takes 30 s of the rate: 16 of them more than a request waits.
  const { feed } = await opened('idx', { answerBytes: 30 * 124, rate: 124, clock });
  await feed.rows(rowsFrom(0));
  const waits: number[] = [];
  let rows = 0;
  const askOn = async () => {
    for (const endMs = clock.nowMs() + 300_000; clock.nowMs() < endMs; ) {
      const startMs = clock.nowMs();
      const { header, tensors } = await feed.rows(rowsFrom(0));
      expect(header).toMatchObject({ type: 'split.answer' });
      waits.push(clock.nowMs() - startMs);
      rows += tensors[0]!.shape[0]!;
    }
  };
  const all = Promise.all(Array.from({ length: 16 }, askOn));
  await clock.advance(400_000);
  await all;
  expect(Math.max(...waits)).toBeLessThan(LIMITS.feedWaitMs);
  expect(rows).toBeGreaterThan(280);
  expect(rows).toBeLessThan(340);
});

test('an answer that would come too late is not made, and costs the others nothing', async () => {
  const clock = new VirtualClock();
  // A row takes 124 s of the rate.
  const { feed } = await opened('idx', { rate: 1, clock });
  await feed.rows(rowsFrom(0));
  const late = await Promise.all([feed.rows(rowsFrom(0)), feed.rows(rowsFrom(0))]);
  for (const { header } of late) expect(header).toMatchObject({ type: 'refuse', reason: 'busy' });
  await clock.advance(100_000);
  const next = feed.rows(rowsFrom(0));
  await clock.advance(24_000);
  expect((await next).header).toMatchObject({ type: 'split.answer' });
});

test.runIf(process.platform === 'linux')(
  'a file that cannot be read at the moment is asked for again, and a disk that works then gives it',
  async () => {
    const { feed, path } = await opened('folder');
    await feed.rows(rowsFrom(0));
    const file = join(path, 'train/dog/3.jpg');
    renameSync(file, `${file}.away`);
    // The beginning of a process's memory: reading it is an EIO.
    symlinkSync('/proc/self/mem', file);
    expect((await feed.images(images(), samplesOf(0, 9))).header).toMatchObject({
      type: 'refuse',
      reason: 'not-ready',
      message: expect.stringContaining('EIO'),
    });
    renameSync(`${file}.away`, file);
    expect((await feed.images(images(), samplesOf(0, 9))).header).toMatchObject({ type: 'image.answer' });
  },
);

test('images in shards are given as those in files of their own', async () => {
  const { feed, path, recipe } = await opened('folder');
  await writeShards(path, 'train', 5);
  const shards: DataRecipe = { ...recipe, format: 'webdataset', splits: { train: { part: 'train-{000..002}.tar', from: 2 } } };
  const ofShards = feedOf(shards, { train: await fingerprintSplit(shards, 'train') });
  const answersOf = async (own: typeof feed) => [await own.rows(rowsFrom(0)), await own.images(images(), samplesOf(0, 9, 4))];
  expect(await answersOf(ofShards)).toEqual(await answersOf(feed));
});
