/** The format `webdataset`: shards as WebDataset and Python's tarfile write them, their caches, and what is wrong with one. */

import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataRecipe } from '../../../../src/config/schema.js';
import { assembleBatch } from '../../../../src/data/batch.js';
import { classNamesOf } from '../../../../src/data/class-names.js';
import { fingerprintSplit, inspectData, loadSplit, readContent, verifyData } from '../../../../src/data/dataset.js';
import { FingerprintCache } from '../../../../src/data/fingerprint-cache.js';
import { openLoader } from '../../../../src/data/loader/loader.js';
import { ShardCache } from '../../../../src/data/shard/shard-cache.js';
import { indexShards } from '../../../../src/data/shard/shard-index.js';
import { shardStamp } from '../../../../src/data/shard/unpack-shard.js';
import { packageFolder } from '../../../../src/process/package-folder.js';
import { failureIn } from '../../../support/coded-image.js';
import { failureOf } from '../../../support/format-cases.js';
import { writeNoiseFolder } from '../../../support/image-folder.js';
import { loaderProgram } from '../../../support/loader-program.js';
import { tarBytes, writeShards } from '../../../support/tar-writer.js';

const GOLDEN = join(packageFolder, 'test/unit/data/golden/shards');
const SIZE = 16;
const NORMALISE = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };

let root = '';
let cache: FingerprintCache;
let folder = '';
let sets = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse shards '));
  cache = new FingerprintCache(join(root, 'cache', 'fingerprints.json'));
  folder = await newSet();
});
afterAll(() => rm(root, { recursive: true }));

/** Images in a folder for each class, and the same in shards: 5, 5 and 2 for training, 6 to validate. */
async function newSet(): Promise<string> {
  const set = join(root, `set-${sets++}`);
  await writeNoiseFolder(set);
  await writeShards(set, 'train', 5);
  await writeShards(set, 'val', 9);
  return set;
}

const splitsOf = (train: string, val: string) => ({ train: { part: train, from: 0 }, val: { part: val, from: 0 } });
const SPLITS = splitsOf('train-{000..002}.tar', 'val-*.tar');
const recipeOf = (path: string, changes: Partial<DataRecipe> = {}): DataRecipe => ({
  ...{ format: 'webdataset', path, labels: 'fine', image: { size: SIZE }, normalise: NORMALISE, splits: SPLITS },
  ...changes,
});
const view = { seed: 5, epoch: 1, augment: { cropPadding: 1, flip: true }, normalise: NORMALISE };

test('a set is what it is as a folder: the same fingerprints, statistics and batches, here and in a thread', async () => {
  const recipe = recipeOf(folder);
  const plain = recipeOf(folder, { format: 'folder', splits: splitsOf('train', 'val') });
  expect(await inspectData(recipe, cache)).toEqual(await inspectData(plain, cache));
  const { files, ...verified } = await verifyData(recipe, cache);
  const { files: _, ...expected } = await verifyData(plain, cache);
  expect(verified).toEqual(expected);
  expect(files).toEqual([
    { file: join(folder, 'train-{000..002}.tar'), samples: 12 },
    { file: join(folder, 'val-*.tar'), samples: 6 },
  ]);
  const samples = Int32Array.of(11, 0, 5, 6);
  const [split, whole] = await Promise.all([recipe, plain].map((own) => loadSplit(own, 'train', cache)));
  const batch = { images: new Float32Array(4 * SIZE * SIZE * 3), labels: new Int32Array(4) };
  assembleBatch({ store: whole!.store, view, samples, out: batch });
  const loader = openLoader({ shape: { height: SIZE, width: SIZE, channels: 3 }, rows: 4, threads: 1, program: loaderProgram() });
  const [loading] = loader.request([{ split: split!, view, samples }]);
  await loading!.ready();
  const found = loader.arraysOf([loading!]);
  expect([...found.labels]).toEqual([2, 0, 1, 1]);
  expect([...found.images]).toEqual([...batch.images]);
  await loader.close();
  const some = await loadSplit(recipeOf(folder, { splits: { some: { part: 'train-*.tar', from: 6, to: 8 } } }), 'some', cache);
  const two = { images: new Float32Array(2 * SIZE * SIZE * 3), labels: new Int32Array(2) };
  assembleBatch({ store: some.store, view: { ...view, augment: null }, samples: Int32Array.of(1, 0), out: two });
  expect([...two.labels]).toEqual([1, 1]);
});

describe('shards of Python', () => {
  const reading = (part: string, more: Partial<DataRecipe> = {}) => recipeOf(GOLDEN, { splits: { all: { part, from: 0 } }, ...more });

  test.each(['pax.tgz', 'gnu.tar.gz'])('%s: long names, other members, names in capitals; unpacked once', async (part) => {
    const own = new FingerprintCache(join(root, part, 'fingerprints.json'));
    const source = await loadSplit(reading(part), 'all', own);
    expect([source.count, source.label(0), source.label(1), source.classes]).toEqual([2, 1, 0, 2]);
    const unpacked = join(root, part, 'unpacked');
    const [folder, copy, ...others] = readdirSync(unpacked, { recursive: true, encoding: 'utf8' });
    expect([dirname(copy!), others]).toEqual([folder, []]);
    const { mtimeMs, size } = await stat(join(unpacked, copy!));
    const { files, splits } = await verifyData(reading(part), own);
    expect(files).toEqual([{ file: join(GOLDEN, part), samples: 2, unpacked: { folder: unpacked, bytes: size } }]);
    expect((await stat(join(unpacked, copy!))).mtimeMs).toBe(mtimeMs);
    // The mean of the colours of the two images (make.py); JPEG may change them by 1.
    [60, 195, 40].forEach((value, channel) => {
      expect(Math.abs(255 * splits[0]!.mean[channel]! - value)).toBeLessThan(1);
    });
  });

  test('labels in json, as names, or as numbers under a key', async () => {
    const own = new FingerprintCache(join(root, 'json', 'fingerprints.json'));
    // An export reads no shard for names.
    expect(await classNamesOf(reading('json-*.tgz'), own)).toBeNull();
    expect(existsSync(own.folder)).toBe(false);
    expect(await inspectData(reading('json-*.tgz'), own)).toMatchObject({ classes: 2 });
    expect(await classNamesOf(reading('json-*.tgz'), own)).toEqual(['robin', 'wren']);
    const named = await loadSplit(reading('json-0.tgz'), 'all', cache);
    expect([named.label(0), named.label(1)]).toEqual([1, 0]);
    const keyed = await loadSplit(reading('json-0.tgz', { webdataset: { key: 'species' } }), 'all', cache);
    expect([keyed.label(0), keyed.label(1), keyed.classes]).toEqual([5, 0, 6]);
    expect((await failureOf(inspectData(reading('json-0.tgz', { webdataset: { key: 'kind' } }), cache))).message).toMatch(
      /the json of the sample 7 has no key kind; it has label, species/,
    );
  });

  test('a compressed shard that changes is unpacked again, and its copy goes; a broken one leaves nothing', async () => {
    const set = join(root, 'packed');
    const own = new FingerprintCache(join(set, 'cache', 'fingerprints.json'));
    await mkdir(set);
    const shard = join(set, 'a.tgz');
    await copyFile(join(GOLDEN, 'pax.tgz'), shard);
    const recipe = recipeOf(set, { splits: { all: { part: 'a.tgz', from: 0 } } });
    const before = await fingerprintSplit(recipe, 'all', own);
    await copyFile(join(GOLDEN, 'json-0.tgz'), shard);
    expect(await fingerprintSplit(recipe, 'all', own)).not.toBe(before);
    expect(readdirSync(join(set, 'cache/unpacked'))).toHaveLength(1);
    const bytes = await readFile(shard);
    await writeFile(shard, bytes.subarray(0, bytes.length - 12));
    const error = await failureOf(fingerprintSplit(recipe, 'all', own));
    expect(error.message).toContain(`${shard}: cut short: its gzip stream does not end`);
    expect(readdirSync(join(set, 'cache/unpacked'))).toHaveLength(1);
  });
});

test('the headers of a shard are read once: the index is kept while the shard stays as it is', async () => {
  const set = await newSet();
  const kept = join(set, 'cache');
  const source = { folder: set, part: 'val-*.tar', labels: 'fine' };
  const index = await indexShards(source, kept);
  const shards = new ShardCache(join(kept, 'shards'), { name: join(set, source.part), key: null });
  const stamp = await shardStamp(join(set, 'val-000.tar'));
  const samples = (await shards.read()).get(stamp)!;
  expect([...samples.starts]).toEqual([...index.pieces!.starts]);
  expect([...samples.lengths]).toEqual([...index.pieces!.lengths]);
  // It is believed, as long as the shard has its times.
  await shards.write([{ stamp, samples: { ...samples, starts: samples.starts.map((start) => start + 1) } }]);
  expect((await indexShards(source, kept)).pieces!.starts[0]).toBe(index.pieces!.starts[0]! + 1);
  await utimes(join(set, 'val-000.tar'), 1, 1);
  expect([...(await indexShards(source, kept)).pieces!.starts]).toEqual([...index.pieces!.starts]);
});

describe('what is wrong is told with the shard and its byte', () => {
  const jpeg = async () => readFile(join(folder, 'train/cat/0.jpg'));
  type Sample = Readonly<Record<string, string | Uint8Array>>;
  const shardOf = (...samples: readonly (readonly [string, Sample])[]) =>
    tarBytes(samples.flatMap(([key, members]) => Object.entries(members).map(([kind, content]) => ({ name: `${key}.${kind}`, content }))));
  const one = Buffer.from('an image');
  const good = ['a', { cls: '0', jpg: one }] as const;
  // A sample takes four blocks: two headers, a label, an image.
  test.each<[string, Buffer, number, RegExp]>([
    ['a shard cut in an image', shardOf(good).subarray(0, 1537), 1537, /cut short: member a\.jpg needs the bytes up to 1544/],
    ['a shard cut in a header', shardOf(good, ['b', { cls: '1', jpg: one }]).subarray(0, 2100), 2100, /cut short/],
    ['a shard cut between members', shardOf(good).subarray(0, 2048), 2048, /cut short: the mark of its end is not there/],
    ['an empty file', Buffer.alloc(0), 0, /cut short/],
    ['a header that changed', Buffer.concat([shardOf(good).fill(0x37, 1030, 1031)]), 1024, /checksum of this tar header is wrong/],
    ['a page of a website', Buffer.from('<html>'.repeat(200)), 0, /no tar archive/],
    ['two shards put together', Buffer.concat([shardOf(good), shardOf(good)]), 3072, /bytes after the mark of its end/],
    ['no sample', tarBytes([{ name: 'README', content: 'x' }]), 0, /has no sample/],
    ['no label', shardOf(good, ['b', { jpg: one, txt: 'x' }]), 2048, /the sample b has no label \.cls or \.json; it has \.jpg, \.txt/],
    ['no image', shardOf(good, ['b', { cls: '1', webp: one }]), 2048, /the sample b has no image .*; it has \.cls, \.webp/],
    ['two images', shardOf(good, ['b', { cls: '1', jpg: one, png: one }]), 4096, /the sample b has two images/],
    ['an empty image', shardOf(good, ['b', { cls: '1', jpg: '' }]), 3584, /member b\.jpg is empty/],
    [
      'a member twice',
      tarBytes(['cls', 'jpg', 'cls'].map((kind) => ({ name: `a.${kind}`, content: '1' }))),
      2048,
      /member a\.cls is there twice/,
    ],
    ['a key twice', shardOf(good, ['b', { cls: '1', jpg: one }], good), 4096, /the sample a is there a second time/],
    [
      'a label that is no number',
      shardOf(good, ['b', { cls: 'cat', jpg: one }]),
      2560,
      /the label "cat" of the sample b is no whole number/,
    ],
    ['json that is none', shardOf(good, ['b', { json: '{', jpg: one }]), 2560, /the json of the sample b cannot be read as JSON/],
    ['json without a label', shardOf(good, ['b', { json: '{"id": 3}', jpg: one }]), 2560, /has no key label; it has id/],
    ['a label of another kind', shardOf(good, ['b', { json: '{"label": [3]}', jpg: one }]), 2560, /the label \[3\] of the sample b/],
    ['one class', shardOf(good), 512, /all images have the label "0"/],
    ['a label beyond reason', shardOf(good, ['b', { cls: '99999999', jpg: one }]), 2560, /no data set has so many classes/],
    ['a link', tarBytes([{ name: 'a.jpg', content: '', type: '2' }]), 0, /member a\.jpg is a link/],
    ['a sparse member', tarBytes([{ name: 'a.jpg', content: '', type: 'S' }]), 0, /is sparse/],
    ['a broken extended header', tarBytes([{ name: 'x', content: '9999 path=a\n', type: 'x' }]), 512, /extended header x is broken/],
  ])('%s', async (_, content, offset, message) => {
    const set = await mkdtemp(join(root, 'wrong-'));
    const file = join(set, 'a.tar');
    await writeFile(file, content);
    const error = await failureOf(inspectData(recipeOf(set, { splits: { all: { part: 'a.tar', from: 0 } } }), cache));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file, offset, hint: expect.any(String) } });
    expect(error.message).toMatch(message);
  });

  test('an image that is broken, before anything is decoded; one of a shard that changes later', async () => {
    const set = await mkdtemp(join(root, 'broken-'));
    const file = join(set, 'a.tar');
    const recipe = recipeOf(set, { splits: { all: { part: 'a.tar', from: 0 } } });
    const image = await jpeg();
    await writeFile(file, shardOf(['a', { cls: '0', jpg: image }], ['b', { cls: '1', jpg: image.subarray(0, image.length - 30) }]));
    const start = 1536 + Math.ceil(image.length / 512) * 512 + 1536;
    const error = await failureOf(readContent(recipe, { cache }));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file } });
    expect(error.message).toMatch(new RegExp(`the image from byte ${start} on: cut short`));
    expect(error.details.offset).toBeGreaterThan(start);

    await writeFile(file, shardOf(['a', { cls: '0', jpg: image }], ['b', { cls: '1', jpg: image }]));
    const { store } = await loadSplit(recipe, 'all', cache);
    const out = { images: new Float32Array(SIZE * SIZE * 3), labels: new Int32Array(1) };
    await utimes(file, 1, 1);
    const changed = failureIn(() => assembleBatch({ store, view, samples: Int32Array.of(1), out }));
    expect(changed).toMatchObject({
      code: 'data.damaged',
      details: { file },
      what: expect.stringMatching(/^has changed: it was written 1970/),
    });
  });

  test.each([
    ['train-{000..003}.tar', 'train-003.tar', /there is no such shard.*train-\{000000\.\.000146\}/],
    ['test-*.tar', 'test-*.tar', /no shard has a name of this pattern/],
    ['train', 'train', /has no shard: no file with a name that ends in \.tar/],
    ['{train-000,train-*}.tar', 'train-000.tar', /names this shard twice/],
  ])('shards that are not there: %s', async (part, file, message) => {
    const error = await failureOf(inspectData(recipeOf(folder, { splits: { all: { part, from: 0 } } }), cache));
    expect(error.details.file).toBe(join(folder, file));
    expect(error.message).toMatch(message);
  });
});
