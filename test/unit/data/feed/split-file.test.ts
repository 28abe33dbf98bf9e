/** The file of a split's rows: cut, gone on with, damaged, and forgotten. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readRows, SPLITS_MAX, SplitWriter, splitFile } from '../../../../src/data/feed/split-file.js';
import { headOf, rowsOf } from '../../../../src/data/feed/split-rows.js';
import { residentSource } from '../../../../src/data/resident-source.js';
import { randomBytes } from '../../../support/data-files.js';

const COUNT = 20;
const shape = { height: 3, width: 4, channels: 2, classes: 5 };
const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 5);
const ROOM = { limitBytes: 1e9, wallMs: Date.now() };
const images = { ...shape, count: COUNT, pixels: randomBytes(COUNT * 24, 1), labels };
const split = { source: residentSource(images, { name: 'few', from: 0, to: COUNT }), digests: null };

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse rows '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'splits');
}

async function written(folder: string, name: string, room = ROOM): Promise<string> {
  const file = splitFile(folder, name);
  const writer = new SplitWriter(file);
  await writer.begin(headOf(split));
  await writer.add(rowsOf(split, 0, COUNT));
  await writer.finish(room);
  return file;
}

test('the rows are there again; whoever was cut goes on at the last whole row', async () => {
  const file = splitFile(scratch(), 'a'.repeat(64));
  const first = new SplitWriter(file);
  expect(await first.goOn()).toBeNull();
  await first.begin(headOf(split));
  await first.add(rowsOf(split, 0, 7));
  await first.close();
  expect(await readRows(file)).toBeNull();
  truncateSync(`${file}.part`, 28 + 7 * 28 - 3);

  const second = new SplitWriter(file);
  expect((await second.goOn())?.count).toBe(6);
  await second.add(rowsOf(split, 6, COUNT));
  await second.finish(ROOM);
  const kept = await readRows(file);
  expect(kept?.isIntact).toBe(true);
  expect(await kept?.rows.fingerprint()).toBe(await split.source.fingerprint());
  expect(readdirSync(join(file, '..'))).toEqual([`${'a'.repeat(64)}.rows`]);
});

test('a file that is cut has fewer rows, and one that is something else none', async () => {
  const folder = scratch();
  const file = await written(folder, 'b'.repeat(64));
  truncateSync(file, 28 + 28 * 5 + 1);
  expect(await readRows(file)).toMatchObject({ isIntact: false, rows: { count: 5, isWhole: false } });
  truncateSync(file, 20);
  expect(await readRows(file)).toBeNull();
  writeFileSync(file, 'x'.repeat(1000));
  expect(await readRows(file)).toBeNull();
});

test('the splits that were used longest ago are forgotten', async () => {
  const folder = scratch();
  const first = await written(folder, 'first');
  const old = new Date(Date.now() - 1e6);
  utimesSync(first, old, old);
  for (let i = 1; i < SPLITS_MAX; i++) await written(folder, `more-${i}`);
  expect(await readRows(first)).not.toBeNull();
  await written(folder, 'last');
  expect(await readRows(first)).toBeNull();
  expect(readdirSync(folder)).toHaveLength(SPLITS_MAX);
});

test('of coded images every byte counts, their sizes and channels too, which the fingerprint does not cover', async () => {
  const file = splitFile(scratch(), 'coded');
  const writer = new SplitWriter(file);
  await writer.begin({ ...shape, kind: 'coded', count: 2 });
  await writer.add(randomBytes(80, 2));
  await writer.finish(ROOM);
  const bytes = readFileSync(file);
  const before = await readRows(file);
  expect(before?.isIntact).toBe(true);
  // The word of the channels, the size of the second image, and the digest itself.
  for (const at of [20, 28 + 40 + 33, bytes.length - 1]) {
    const damaged = Uint8Array.from(bytes);
    damaged[at]! ^= 1;
    writeFileSync(file, damaged);
    const kept = await readRows(file);
    expect(kept, `byte ${at}`).toMatchObject({ isIntact: false, rows: { isWhole: true } });
    expect(await kept?.rows.fingerprint()).toBe(await before?.rows.fingerprint());
  }
});

test('beyond the limit in bytes the splits that were used longest ago go, and unfinished ones that nobody fetches; the last one stays', async () => {
  const folder = scratch();
  const minutesAgo = (file: string, minutes: number) =>
    utimesSync(file, ROOM.wallMs / 1000 - 60 * minutes, ROOM.wallMs / 1000 - 60 * minutes);
  const left = async (name: string, minutes: number) => {
    const writer = new SplitWriter(splitFile(folder, name));
    await writer.begin(headOf(split));
    await writer.add(rowsOf(split, 0, COUNT));
    await writer.close();
    minutesAgo(`${splitFile(folder, name)}.part`, minutes);
  };
  for (const [name, minutes] of [
    ['a', 30],
    ['b', 20],
  ] as const)
    minutesAgo(await written(folder, name), minutes);
  await left('c', 25);
  await left('d', 5);
  const size = statSync(splitFile(folder, 'a')).size;
  await written(folder, 'e', { ...ROOM, limitBytes: 3 * size });
  expect(readdirSync(folder).sort()).toEqual(['b.rows', 'd.rows.part', 'e.rows']);
  await written(folder, 'f', { ...ROOM, limitBytes: 1 });
  expect(readdirSync(folder).sort()).toEqual(['d.rows.part', 'f.rows']);
});
