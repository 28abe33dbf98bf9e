/** The file of a split's rows: cut, gone on with, damaged, and forgotten. */

import { mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
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
const images = { ...shape, count: COUNT, pixels: randomBytes(COUNT * 24, 1), labels };
const split = { source: residentSource(images, { name: 'few', from: 0, to: COUNT }), digests: null };

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse rows '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'splits');
}

async function written(folder: string, name: string): Promise<string> {
  const file = splitFile(folder, name);
  const writer = new SplitWriter(file);
  await writer.begin(headOf(split));
  await writer.add(rowsOf(split, 0, COUNT));
  await writer.finish();
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
  await second.finish();
  const rows = await readRows(file);
  expect(await rows?.fingerprint()).toBe(await split.source.fingerprint());
  expect(readdirSync(join(file, '..'))).toEqual([`${'a'.repeat(64)}.rows`]);
});

test('a file that is cut has fewer rows, and one that is something else none', async () => {
  const folder = scratch();
  const file = await written(folder, 'b'.repeat(64));
  truncateSync(file, 28 + 28 * 5 + 1);
  expect(await readRows(file)).toMatchObject({ count: 5, isWhole: false });
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
