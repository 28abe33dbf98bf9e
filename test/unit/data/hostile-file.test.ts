/** Files with any byte changed, or cut anywhere: they are read as they were, or refused by an error that names them; nothing else. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { FORMATS } from '../../../src/data/catalogue.js';
import type { PartSource } from '../../../src/data/format.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { tarBytes } from '../../support/tar-writer.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse hostile '));
  for (const name of ['a', 'b']) await writeFile(join(root, `${name}.jpg`), '');
});
afterAll(() => rm(root, { recursive: true }));

/** Reads a part as far as its format does without images. */
async function readPart(name: string, source: PartSource): Promise<unknown> {
  const format = present(FORMATS.get(name), name);
  return format.kind === 'coded' ? format.index(source, join(root, 'cache')) : format.read(source);
}

const NPZ = await readFile(join(packageFolder, 'test/unit/data/golden/npz/test.npz'));
const TAR = tarBytes([
  { name: 'a.cls', content: '0' },
  { name: 'a.jpg', content: 'an image' },
  { name: 'x', content: '22 path=a/long/b.json\n', type: 'x' },
  { name: 'b', content: '{"label": 1}' },
  { name: 'L', content: 'a/long/b.png\0', type: 'L' },
  { name: 'b', content: 'an image' },
]);
const CSV = Buffer.from('\ufeffpath,label\r\n"a.jpg",cat\r\nb.jpg,"a ""dog"""\r\n');

test.each([
  ['npz', 'test.npz', NPZ, 1],
  ['webdataset', 'test.tar', TAR, 13],
  ['csv', 'test.csv', CSV, 1],
] as const)('%s', async (format, name, whole, step) => {
  const file = join(root, name);
  const source = { folder: root, part: format === 'webdataset' ? name : 'test', labels: 'fine' };
  await writeFile(file, whole);
  const expected = await readPart(format, source);
  let refused = 0;
  const outcomeOf = async (bytes: Buffer) => {
    await writeFile(file, bytes);
    const outcome = await readPart(format, source).catch((error: unknown) => error);
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
    // A NumPy archive has a checksum of every byte of its arrays.
    if (format === 'npz' && !(outcome instanceof StillhouseError)) expect(outcome).toEqual(expected);
  }
  for (let length = 0; length < whole.length; length += step) {
    const outcome = await outcomeOf(whole.subarray(0, length));
    if (format === 'npz') expect(outcome).toBeInstanceOf(StillhouseError);
  }
  expect(refused).toBeGreaterThan(format === 'csv' ? 50 : 500);
});
