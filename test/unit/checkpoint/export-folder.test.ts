/** An export in a folder of the user's: whole, or everything is as it was, whatever call to the disk fails. */

import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeExport } from '../../../src/checkpoint/export-folder.js';
import { type FileSystem, nodeFileSystem } from '../../../src/checkpoint/file-system.js';
import { scratchFolder } from '../shell/scratch-folder.js';
import { type Call, systemError } from './memory-disk.js';

const FILES = [
  { name: 'weights.bin', bytes: new Uint8Array(5 * 1024 * 1024).fill(7) },
  { name: 'model.json', bytes: new TextEncoder().encode('{"format":"layers-model"}') },
];

/** Every path below a folder, with the length of each file. */
const treeOf = (folder: string): Readonly<Record<string, number | 'folder'>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const found = lstatSync(join(folder, name));
        return [name, found.isDirectory() ? 'folder' : found.size] as const;
      }),
  );

/** The real disk, whose n-th call fails; `calls` counts them. */
function failingAt(n: number, code: string): { readonly fs: FileSystem; calls(): number } {
  let calls = 0;
  const enter = (call: Call): void => {
    calls++;
    if (calls === n) throw Object.assign(systemError(code), { syscall: call });
  };
  const counted = <A extends readonly unknown[], T>(call: Call, perform: (...given: A) => Promise<T>) => {
    return async (...given: A): Promise<T> => {
      enter(call);
      return perform(...given);
    };
  };
  const { makeFolder, addFolder, listFolder, syncFolder, open, rename, remove, create, append } = nodeFileSystem;
  const fs: FileSystem = {
    makeFolder: counted('makeFolder', makeFolder),
    addFolder: counted('addFolder', addFolder),
    listFolder: counted('listFolder', listFolder),
    syncFolder: counted('syncFolder', syncFolder),
    open: counted('open', open),
    rename: counted('rename', rename),
    remove,
    append,
    create: counted('create', async (path: string) => {
      const file = await create(path);
      return { write: counted('write', file.write), sync: counted('sync', file.sync), close: file.close };
    }),
  };
  return { fs, calls: () => calls };
}

/** Makes `root`/model with these files. */
function folderWith(root: string, files: Readonly<Record<string, string>>): string {
  const folder = join(root, 'model');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function linkIn(root: string): string {
  symlinkSync(join(root, 'nowhere'), join(root, 'link'));
  return join(root, 'link');
}

const TARGETS: readonly (readonly [string, (root: string) => string])[] = [
  ['a folder that is not there, nor its parents', (root) => join(root, 'some/where/model')],
  ['an empty folder', (root) => folderWith(root, {})],
  ['a folder with other files', (root) => folderWith(root, { 'notes.txt': 'mine' })],
];

describe.each(TARGETS)('%s', (_, make) => {
  test('gets the files, and nothing else is left', async () => {
    const root = scratchFolder();
    const target = make(root);
    const before = existsSync(target) ? readdirSync(target) : [];
    expect(await writeExport(target, FILES)).toEqual(FILES.map(({ name }) => join(target, name)));
    expect(readdirSync(target).sort()).toEqual([...before, 'model.json', 'weights.bin'].sort());
    for (const { name, bytes } of FILES) expect(readFileSync(join(target, name)).equals(bytes)).toBe(true);
  });

  test.each(['ENOSPC', 'EROFS'])('is as it was when a call fails with %s, whichever it is', async (code) => {
    let isOver = false;
    let failures = 0;
    for (let n = 1; !isOver; n++) {
      const root = scratchFolder();
      const target = make(root);
      const before = treeOf(root);
      const disk = failingAt(n, code);
      try {
        await writeExport(target, FILES, disk.fs);
        // The sync of the parent after the rename is the only call that may fail without undoing the export.
        isOver = disk.calls() < n;
        expect(readdirSync(target)).toEqual(expect.arrayContaining(['model.json', 'weights.bin']));
      } catch (error) {
        failures++;
        expect(error).toMatchObject({
          code: 'system.failed',
          message: expect.stringContaining(`${target}: the model cannot be written there: ${code}`),
          details: {
            hint: expect.stringContaining(
              `Nothing of it was left there. ${code === 'ENOSPC' ? 'Make room, or give' : 'Give'} another folder`,
            ),
          },
        });
        expect(treeOf(root)).toEqual(before);
      }
    }
    expect(failures).toBeGreaterThan(8);
  });
});

test.each<[string, (root: string) => string, RegExp]>([
  ['with a model', (root) => folderWith(root, { 'model.json': '{}' }), /there is a model in this folder already \(model\.json\)/],
  ['with weights', (root) => folderWith(root, { 'weights.bin': '' }), /there is a model in this folder already \(weights\.bin\)/],
  ['that is a file', (root) => join(folderWith(root, { f: 'mine' }), 'f'), /there is a file in this place, and a folder is needed/],
  ['below a file', (root) => join(folderWith(root, { f: 'mine' }), 'f/model'), /a part of this path is a file, and a folder is needed/],
  ['that is a link to nowhere', (root) => linkIn(root), /this is a link that leads nowhere/],
])('a target %s is refused, and stays as it is', async (_, make, message) => {
  const root = scratchFolder();
  const target = make(root);
  const before = treeOf(root);
  await expect(writeExport(target, FILES)).rejects.toMatchObject({ code: 'usage.invalid', message: expect.stringMatching(message) });
  expect(treeOf(root)).toEqual(before);
});

test('a folder without permission is named', async ({ skip }) => {
  skip(process.getuid?.() === 0, 'this user (root) may write anywhere');
  const root = scratchFolder();
  chmodSync(root, 0o500);
  await expect(writeExport(join(root, 'model'), FILES)).rejects.toMatchObject({ code: 'system.failed', message: /EACCES/ });
});

test('a crash leaves a hidden folder at most, which the next export clears away', async () => {
  const root = scratchFolder();
  mkdirSync(join(root, '.unfinished-model'));
  writeFileSync(join(root, '.unfinished-model/weights.bin'), 'half');
  await writeExport(join(root, 'model'), FILES);
  expect(readdirSync(root)).toEqual(['model']);
});
