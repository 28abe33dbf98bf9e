/** Reading what another process writes: the newest whole checkpoint of a stage, and nothing on the disk is changed. */

import { appendFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type FileSystem, nodeFileSystem } from '../../../src/checkpoint/file-system.js';
import { readNewestCheckpoint } from '../../../src/checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { scratchFolder } from '../shell/scratch-folder.js';
import { contentOf, stateOf } from './content.js';

/** Three of the stage `base`, and a later one of another. */
async function folderOfFour(): Promise<string> {
  const folder = scratchFolder();
  const store = await openCheckpointStore(folder);
  for (const round of [2, 10, 9]) await store.put(contentOf(round));
  await store.put(contentOf(11, { state: stateOf(11, 'other') }));
  return folder;
}

const everything = (folder: string): readonly unknown[] => readdirSync(folder, { recursive: true }).sort();

test('the one of the highest round is read, and no tensor of another', async () => {
  const folder = await folderOfFour();
  const opened: string[] = [];
  const fs: FileSystem = {
    ...nodeFileSystem,
    open: (path) => {
      opened.push(path);
      return nodeFileSystem.open(path);
    },
  };
  expect(await readNewestCheckpoint(folder, { stage: 'base' }, fs)).toEqual(contentOf(10));
  expect(opened.filter((path) => path.endsWith('.bin'))).toEqual(
    ['parameters', 'slots'].map((name) => join(folder, 'base/10/model', `${name}.bin`)),
  );
});

test('a damaged one is passed over, and not marked', async () => {
  const folder = await folderOfFour();
  appendFileSync(join(folder, 'base/10/model/slots.bin'), 'x');
  const before = everything(folder);
  expect(await readNewestCheckpoint(folder, { stage: 'base' })).toEqual(contentOf(9));
  expect(everything(folder)).toEqual(before);
});

test('one that is written or deleted meanwhile does no harm', async () => {
  const folder = await folderOfFour();
  mkdirSync(join(folder, 'base/.unfinished-12'));
  const fs: FileSystem = {
    ...nodeFileSystem,
    listFolder: async (path) => {
      const names = await nodeFileSystem.listFolder(path);
      if (path === join(folder, 'base')) rmSync(join(folder, 'base/10'), { recursive: true });
      return names;
    },
  };
  expect(await readNewestCheckpoint(folder, { stage: 'base' }, fs)).toEqual(contentOf(9));
});

test.each([
  ['without a folder', async () => join(scratchFolder(), 'none'), /no whole checkpoint yet$/],
  [
    'with damage alone',
    async () => {
      const folder = scratchFolder();
      await (await openCheckpointStore(folder)).put(contentOf(1));
      appendFileSync(join(folder, 'base/1/model/parameters.bin'), 'x');
      return folder;
    },
    /no whole checkpoint yet; .*parameters\.bin: has 401 bytes instead of 400/,
  ],
] as const)('%s there is none', async (_, folderOf, message) => {
  await expect(readNewestCheckpoint(await folderOf(), { stage: 'base' })).rejects.toMatchObject({
    code: 'checkpoint.missing',
    message: expect.stringMatching(message),
  });
});
