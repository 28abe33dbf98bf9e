/** The cache of fetched images: what is there, what goes first, and what never goes. */

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../../src/base/clock.js';
import { imageFile } from '../../../../src/data/feed/fetched-image.js';
import { ImageCache } from '../../../../src/data/feed/image-cache.js';
import { VirtualClock } from '../../shell/virtual-clock.js';

const image = (i: number) => new Uint8Array(100).fill(i);
const digestOf = (i: number) => createHash('sha256').update(image(i)).digest('hex');

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse images '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A cache an hour later than its files: none of them is in use any more. */
async function open(folder: string, limitBytes: number, laterMs = 0): Promise<ImageCache> {
  const cache = new ImageCache({ folder, limitBytes, clock: { ...systemClock, wallMs: () => Date.now() + laterMs } });
  await cache.counted;
  return cache;
}

/** A cache an hour later than its files: none of them is in use any more. */
const openLater = (folder: string, limitBytes: number) => open(folder, limitBytes, 3_600_000);

async function thereIn(cache: ImageCache, count: number): Promise<number[]> {
  const all = Array.from({ length: count }, (_, i) => i);
  const found = await Promise.all(all.map((i) => cache.has(digestOf(i))));
  return all.filter((i) => found[i]);
}

test('an image is there for all, under its digest; one that is too short is not', async () => {
  const folder = join(scratch(), 'new');
  const cache = await openLater(folder, 1e6);
  expect(await cache.has(digestOf(1))).toBe(false);
  await cache.put(digestOf(1), image(1));
  await cache.put(digestOf(1), image(1));
  expect(cache.bytes).toBe(100);
  const other = await openLater(folder, 1e6);
  expect(other.bytes).toBe(100);
  expect(await other.has(digestOf(1))).toBe(true);
  writeFileSync(imageFile(folder, digestOf(1)), image(1).subarray(0, 40));
  expect(await other.has(digestOf(1))).toBe(false);
});

test('an image of another process is there only with its own bytes; one that is put takes the place of what a power cut has left', async () => {
  const folder = scratch();
  const before = await openLater(folder, 1e6);
  for (const i of [1, 2]) await before.put(digestOf(i), image(i));
  writeFileSync(imageFile(folder, digestOf(1)), new Uint8Array(100));
  const cache = await openLater(folder, 1e6);
  expect(await thereIn(cache, 3)).toEqual([2]);
  await cache.put(digestOf(1), image(1));
  expect(await thereIn(cache, 3)).toEqual([1, 2]);
  expect(cache.bytes).toBe(200);
});

test('what is held for long is marked as in use, as long as it is held', async () => {
  const folder = scratch();
  const clock = new VirtualClock();
  const cache = new ImageCache({ folder, limitBytes: 1e6, clock });
  await cache.put(digestOf(1), image(1));
  expect(await cache.has(digestOf(1))).toBe(true);
  const usedMs = () => statSync(imageFile(folder, digestOf(1))).mtimeMs;
  cache.hold(digestOf(1));
  for (let minute = 1; minute <= 3; minute++) {
    await clock.advance(60_000);
    while (clock.pending === 0) await new Promise(setImmediate);
    expect(clock.wallMs() - usedMs()).toBeLessThan(1);
  }
  cache.release(digestOf(1));
  const lastMs = usedMs();
  await clock.advance(60_000);
  await new Promise(setImmediate);
  expect(clock.pending).toBe(0);
  expect(usedMs()).toBe(lastMs);
});

test('beyond the limit those go that came first, and none that is held', async () => {
  const cache = await openLater(scratch(), 300);
  cache.hold(digestOf(1));
  cache.hold(digestOf(1));
  cache.release(digestOf(1));
  for (let i = 0; i < 5; i++) await cache.put(digestOf(i), image(i));
  expect(cache.bytes).toBe(300);
  expect(await thereIn(cache, 5)).toEqual([1, 3, 4]);
  cache.release(digestOf(1));
});

test('none goes that somebody has just asked for, in this process or another', async () => {
  const folder = scratch();
  const cache = await open(folder, 200);
  for (let i = 0; i < 4; i++) await cache.put(digestOf(i), image(i));
  expect(await thereIn(cache, 4)).toEqual([0, 1, 2, 3]);
  const longAgo = new Date(Date.now() - 600_000);
  for (let i = 0; i < 4; i++) utimesSync(imageFile(folder, digestOf(i)), longAgo, longAgo);
  const other = await open(folder, 200);
  expect(await other.has(digestOf(2))).toBe(true);
  await cache.put(digestOf(4), image(4));
  expect(cache.bytes).toBe(200);
  expect(await thereIn(cache, 5)).toEqual([2, 4]);
});

test('what is fetched while the files are counted is the last to go', async () => {
  const folder = scratch();
  const before = await openLater(folder, 1e6);
  for (let i = 0; i < 3; i++) await before.put(digestOf(i), image(i));
  const cache = new ImageCache({ folder, limitBytes: 200, clock: { ...systemClock, wallMs: () => Date.now() + 3_600_000 } });
  await cache.put(digestOf(3), image(3));
  await cache.counted;
  expect(cache.bytes).toBe(400);
  await cache.put(digestOf(4), image(4));
  expect(await thereIn(cache, 5)).toEqual([3, 4]);
});

test('many that come at the same time make the folder together', async () => {
  for (let round = 0; round < 20; round++) {
    const cache = await openLater(join(scratch(), 'a/b'), 1e6);
    await Promise.all(Array.from({ length: 32 }, (_, i) => cache.put(digestOf(i), image(i))));
    expect(cache.bytes).toBe(3200);
  }
});
