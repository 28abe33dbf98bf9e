/** Shards of 41 GB together, sparse: their index takes seconds, and the memory does not grow with their bytes. */

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DataRecipe } from '../../src/config/schema.js';
import { assembleBatch } from '../../src/data/batch.js';
import { inspectData, loadSplit } from '../../src/data/dataset.js';
import { FingerprintCache } from '../../src/data/fingerprint-cache.js';
import { softNoise } from '../support/image-folder.js';
import { jpegBytes } from '../support/jpeg-writer.js';
import { tarHeader } from '../support/tar-writer.js';

const SHARDS = 4;
const SAMPLES = 2000;
/** A member of each sample that is no image: 4 MB that no disk holds. */
const FILLER = 4_000_000;
/** A member of the first shard whose size does not fit into an octal header. */
const HUGE = 9 * 2 ** 30;
const SIZE = 32;
const NORMALISE = { mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3] };

/** Writes a shard, and gives its bytes. */
function writeShard(file: string, shard: number, image: Buffer): number {
  const handle = openSync(file, 'w');
  let at = 0;
  const add = (name: string, size: number, content: Buffer | null) => {
    writeSync(handle, tarHeader({ name, size }), 0, 512, at);
    if (content !== null) writeSync(handle, content, 0, size, at + 512);
    at += 512 + Math.ceil(size / 512) * 512;
  };
  if (shard === 0) add('0.huge', HUGE, null);
  for (let i = 0; i < SAMPLES; i++) {
    const key = `${i}`;
    add(`${key}.cls`, 1, Buffer.from(String((shard + i) % 10)));
    add(`${key}.filler.npy`, FILLER, null);
    add(`${key}.jpg`, image.length, image);
  }
  ftruncateSync(handle, at + 1024);
  closeSync(handle);
  return at + 1024;
}

test('the samples of 41 GB of shards are found, read and decoded in a few MB', async () => {
  const set = mkdtempSync(join(tmpdir(), 'stillhouse large '));
  try {
    const image = jpegBytes(softNoise(40, 48, 1));
    let bytes = 0;
    for (let shard = 0; shard < SHARDS; shard++) bytes += writeShard(join(set, `train-${shard}.tar`), shard, image);
    const cache = new FingerprintCache(join(set, 'cache', 'fingerprints.json'));
    const recipe: DataRecipe = {
      ...{ format: 'webdataset', path: set, labels: 'fine', image: { size: SIZE }, normalise: NORMALISE },
      splits: { train: { part: `train-{0..${SHARDS - 1}}.tar`, from: 0 } },
    };
    const before = process.memoryUsage().rss;
    const started = process.hrtime.bigint();
    expect(await inspectData(recipe, cache)).toMatchObject({ classes: 10, splitSizes: { train: SHARDS * SAMPLES } });
    const indexed = process.hrtime.bigint();
    const { store, count } = await loadSplit(recipe, 'train', cache);
    const loaded = process.hrtime.bigint();
    const out = { images: new Float32Array(32 * SIZE * SIZE * 3), labels: new Int32Array(32) };
    for (let from = 0; from < count; from += 32) {
      // Far apart, as the order of an epoch has them.
      const samples = Int32Array.from({ length: 32 }, (_, i) => ((from + i) * 4099) % count);
      assembleBatch({ store, view: { seed: 1, epoch: 0, augment: null, normalise: NORMALISE }, samples, out });
      const labels = samples.map((sample) => (Math.floor(sample / SAMPLES) + (sample % SAMPLES)) % 10);
      expect(out.labels).toEqual(labels);
    }
    const read = process.hrtime.bigint();
    const grown = process.memoryUsage().rss - before;
    const seconds = (from: bigint, to: bigint) => (Number(to - from) / 1e9).toFixed(1);
    const times = `index ${seconds(started, indexed)} s, digests ${seconds(indexed, loaded)} s, ${count} images ${seconds(loaded, read)} s`;
    process.stdout.write(`${(bytes / 1e9).toFixed(1)} GB: ${times}, memory +${(grown / 1e6).toFixed(0)} MB\n`);
    expect(bytes).toBeGreaterThan(40e9);
    expect(grown).toBeLessThan(150e6);
  } finally {
    rmSync(set, { recursive: true });
  }
});
