/** Copies of compressed shards: made once by several at the same time, made anew when they are short, not made where there is no room. */

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readContent } from '../../../src/data/dataset.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import { indexShards } from '../../../src/data/shard/shard-index.js';
import { unpackShard } from '../../../src/data/shard/unpack-shard.js';
import { failureOf } from '../../support/format-cases.js';
import { softNoise } from '../../support/image-folder.js';
import { jpegBytes } from '../../support/jpeg-writer.js';
import { tarBytes } from '../../support/tar-writer.js';

const MIB = 2 ** 20;
const SHARDS = 6;
const image = (seed: number) => jpegBytes(softNoise(16, 16, seed));
const tarOf = (seed: number) =>
  tarBytes([
    { name: 'a.cls', content: '0' },
    { name: 'a.jpg', content: image(2 * seed) },
    { name: 'b.cls', content: '1' },
    { name: 'b.jpg', content: image(2 * seed + 1) },
  ]);

let root = '';
let caches = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse unpacked '));
  for (let i = 0; i < SHARDS; i++) await writeFile(join(root, `${i}.tgz`), gzipSync(tarOf(i)));
});
afterAll(() => rm(root, { recursive: true }));

const newCache = () => join(root, `cache-${caches++}`);
async function stateOf(path: string) {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return { path, ino, size, mtimeNs, ctimeNs };
}

test('of two that unpack a shard at the same time the copy of the first stays as it is', async () => {
  const [shard, folder] = [join(root, '0.tgz'), newCache()];
  let first: Awaited<ReturnType<typeof stateOf>> | null = null;
  const second = await unpackShard(shard, folder, async () => {
    first ??= await stateOf(await unpackShard(shard, folder));
    return Number.POSITIVE_INFINITY;
  });
  expect(await stateOf(second)).toEqual(first);
  expect(readdirSync(folder)).toHaveLength(1);
  expect((await readFile(second)).equals(tarOf(0))).toBe(true);
});

test('several that read the same compressed shards on a cold cache read the same', async () => {
  const cache = new FingerprintCache(join(newCache(), 'fingerprints.json'));
  const recipe = {
    ...{ format: 'webdataset', path: root, labels: 'fine', image: { size: 16 } },
    ...{ normalise: { mean: [0, 0, 0], std: [1, 1, 1] }, splits: { all: { part: '*.tgz', from: 0 } } },
  };
  const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => readContent(recipe, { cache })));
  expect(first!.splits[0]!.samples).toBe(2 * SHARDS);
  expect(others).toEqual([first, first, first]);
  expect(readdirSync(join(cache.folder, 'unpacked'))).toHaveLength(SHARDS);
});

test('a copy that was cut short is made anew', async () => {
  const [shard, folder] = [join(root, '1.tgz'), newCache()];
  await truncate(await unpackShard(shard, folder), 512);
  expect((await readFile(await unpackShard(shard, folder))).equals(tarOf(1))).toBe(true);
  await truncate(await unpackShard(shard, folder), 0);
  expect((await readFile(await unpackShard(shard, folder))).equals(tarOf(1))).toBe(true);
});

test('what a killed process left goes an hour later, also where the copy is there', async () => {
  const cache = newCache();
  const source = { folder: root, part: '1.tgz', labels: 'fine' };
  await indexShards(source, cache);
  const unpacked = join(cache, 'unpacked');
  const [copy] = readdirSync(unpacked);
  const leftover = (shard: string, last: string) => join(unpacked, `${shard}.00000000-0000-4000-8000-00000000000${last}`);
  const own = leftover(copy!.slice(0, 32), '1');
  const [other, young, busy] = ['2', '3', '4'].map((last) => leftover('0'.repeat(32), last)) as [string, string, string];
  for (const folder of [own, other, young, busy]) {
    await mkdir(folder);
    await writeFile(join(folder, 'unfinished'), 'x');
  }
  for (const path of [own, other].flatMap((folder) => [join(folder, 'unfinished'), folder])) await utimes(path, 1, 1);
  // Its file is still written.
  await utimes(busy, 1, 1);
  await indexShards(source, cache);
  expect([own, other, young, busy, join(unpacked, copy!)].map(existsSync)).toEqual([false, false, true, true, true]);
});

test('a small file that unpacks to more than the disk has room for is told of, and leaves nothing', async () => {
  const [shard, folder] = [join(root, 'bomb.tar.gz'), newCache()];
  await writeFile(shard, gzipSync(Buffer.alloc(40 * MIB)));
  const room = [100 * MIB, 20 * MIB, 4 * MIB];
  const error = await failureOf(unpackShard(shard, folder, async () => room.shift()!));
  expect(error).toMatchObject({ code: 'system.failed', details: { file: shard, hint: expect.stringContaining('STILLHOUSE_CACHE') } });
  expect(error.message).toMatch(/cannot be unpacked into .*: its disk is nearly full after 33554432 bytes of it/);
  expect(readdirSync(folder)).toEqual([]);
});
