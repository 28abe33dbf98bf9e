import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder } from '../../../src/process/make-folder.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse make '));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a folder and those above it are made, and one that is there stays', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolder(path), makeFolder(path)]);
  writeFileSync(join(path, 'kept'), '');
  await makeFolder(path);
  expect(existsSync(join(path, 'kept'))).toBe(true);
});

test('a file in the way is an error', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(makeFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'file', 'in'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test('a folder in which nothing can be made is an error too, and is not tried for ever', async (context) => {
  context.skip(!existsSync('/proc/self'), 'there is no /proc here');
  await expect(makeFolder('/proc/stillhouse/cache')).rejects.toMatchObject({ code: 'ENOENT' });
});
