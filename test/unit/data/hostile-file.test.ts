/** Files with any byte changed, or cut anywhere: they are read and their images decoded, or refused by an error that names them; nothing else. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { baseImagesOf } from '../../../src/data/base-image.js';
import { FORMATS } from '../../../src/data/catalogue.js';
import { loadSplit } from '../../../src/data/dataset.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { softNoise } from '../../support/image-folder.js';
import { jpegBytes } from '../../support/jpeg-writer.js';
import { tarBytes } from '../../support/tar-writer.js';

const SIDE = 8;
const IMAGE = jpegBytes(softNoise(SIDE, SIDE, 1));
let root = '';
let reads = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse hostile '));
  for (const name of ['a', 'b']) await writeFile(join(root, `${name}.jpg`), IMAGE);
});
afterAll(() => rm(root, { recursive: true }));

/** Reads a part on a cold cache: the arrays of one that is read whole, or the first label and its image, decoded. */
async function readPart(name: string, part: string): Promise<unknown> {
  const format = present(FORMATS.get(name), name);
  if (format.kind === 'resident') return format.read({ folder: root, part, labels: 'fine' });
  const recipe = {
    ...{ format: name, path: root, labels: 'fine', image: { size: SIDE }, normalise: { mean: [0, 0, 0], std: [1, 1, 1] } },
    splits: { all: { part, from: 0 } },
  };
  const cache = join(root, `cache-${reads++}`);
  const { store, label } = await loadSplit(recipe, 'all', new FingerprintCache(join(cache, 'fingerprints.json')));
  const { pixels } = baseImagesOf(store, { seed: 0, epoch: 0, augment: null })(0);
  await rm(cache, { recursive: true, force: true });
  return { label: label(0), pixels: Uint8Array.from(pixels) };
}

const NPZ = await readFile(join(packageFolder, 'test/unit/data/golden/npz/test.npz'));
const TAR = tarBytes([
  { name: 'a.cls', content: '0' },
  { name: 'a.jpg', content: IMAGE },
  { name: 'x', content: '22 path=a/long/b.json\n', type: 'x' },
  { name: 'b', content: '{"label": 1}' },
  { name: 'L', content: 'a/long/b.png\0', type: 'L' },
  { name: 'b', content: IMAGE },
]);
const CSV = Buffer.from('\ufeffpath,label\r\n"a.jpg",cat\r\nb.jpg,"a ""dog"""\r\n');

test.each([
  ['npz', 'test.npz', NPZ, 1, 500],
  ['webdataset', 'test.tar', TAR, 29, 250],
  ['webdataset', 'test.tgz', gzipSync(TAR), 5, 200],
  ['csv', 'test.csv', CSV, 1, 50],
] as const)('%s: %s', async (format, name, whole, step, least) => {
  const file = join(root, name);
  const part = format === 'webdataset' ? name : 'test';
  // Both have a checksum of every byte of their content.
  const isSummed = format === 'npz' || name.endsWith('.tgz');
  await writeFile(file, whole);
  const expected = await readPart(format, part);
  let refused = 0;
  const outcomeOf = async (bytes: Buffer) => {
    await writeFile(file, bytes);
    const outcome = await readPart(format, part).catch((error: unknown) => error);
    if (outcome instanceof StillhouseError) {
      expect(['data.damaged', 'data.missing']).toContain(outcome.code);
      expect(outcome.details.file).toBe(file);
      refused += 1;
    } else expect(outcome).not.toBeInstanceOf(Error);
    return outcome;
  };
  for (let at = 0; at < whole.length; at += step) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    const outcome = await outcomeOf(changed);
    if (isSummed && !(outcome instanceof StillhouseError)) expect(outcome).toEqual(expected);
  }
  for (let length = 0; length < whole.length; length += step) {
    const outcome = await outcomeOf(whole.subarray(0, length));
    if (isSummed) expect(outcome).toBeInstanceOf(StillhouseError);
  }
  expect(refused).toBeGreaterThan(least);
});
