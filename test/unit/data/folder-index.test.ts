/** The index of a folder of images: its order, and links. What it refuses otherwise is in coded.test.ts. */

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { indexFolder } from '../../../src/data/folder-index.js';
import { failureOf } from '../../support/format-cases.js';

let root = '';
let sets = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse index '));
});
afterAll(() => rm(root, { recursive: true }));

/** A data set of these files, which are empty, as the index opens none; with these links, from their places to what they lead to. */
async function newSet(files: readonly string[], links: Readonly<Record<string, string>> = {}): Promise<string> {
  const set = join(root, `set-${sets++}`);
  for (const file of files) {
    await mkdir(dirname(join(set, file)), { recursive: true });
    await writeFile(join(set, file), '');
  }
  for (const [place, target] of Object.entries(links)) await symlink(target, join(set, place));
  return set;
}

async function namesOf(set: string): Promise<readonly string[]> {
  const { names, offsets, count } = await indexFolder(set, 'train');
  return Array.from({ length: count }, (_, i) => Buffer.from(names.slice(offsets[i], offsets[i + 1])).toString());
}

test('the images of a class are in the order that torchvision has: by their folder, then by their name', async () => {
  const files = ['cat/m.jpg', 'cat/Z/x.jpg', 'cat/Z-1/b.jpg', 'cat/Z/n/c.jpg', 'cat/a.jpg', 'dog/0.jpg'];
  // sorted(os.walk(class)), and each folder's names sorted.
  expect(await namesOf(await newSet(files.map((file) => `train/${file}`)))).toEqual([
    ...['cat/a.jpg', 'cat/m.jpg', 'cat/Z/x.jpg', 'cat/Z-1/b.jpg', 'cat/Z/n/c.jpg', 'dog/0.jpg'],
  ]);
});

test('a part may be a link out of the data set, with links of its own within it', async () => {
  const other = await newSet(['train/cat/0.jpg', 'train/dog/0.jpg'], { 'train/cat/1.jpg': '../dog/0.jpg' });
  const set = await newSet(['val/cat/0.jpg'], { train: join(other, 'train') });
  expect(await namesOf(set)).toEqual(['cat/0.jpg', 'cat/1.jpg', 'dog/0.jpg']);
});

test('a link into itself is refused at the link', async () => {
  const set = await newSet(['train/cat/0.jpg', 'train/dog/0.jpg'], { 'train/cat/l': '../cat' });
  const error = await failureOf(indexFolder(set, 'train'));
  expect(error).toMatchObject({ code: 'data.damaged', details: { file: join(set, 'train/cat/l') } });
  expect(error.message).toMatch(/is the same folder as .*cat, of the same class/);
});

test('a folder is in a class once: links cannot multiply its images', async () => {
  const files = Array.from({ length: 30 }, (_, i) => `train/cat/${i}/0.jpg`);
  const links = Array.from({ length: 29 }, (_, i) => ['a', 'b'].map((link) => [`train/cat/${i}/${link}`, `../${i + 1}`] as const));
  const set = await newSet([...files, 'train/dog/0.jpg'], Object.fromEntries(links.flat()));
  const error = await failureOf(indexFolder(set, 'train'));
  expect(error).toMatchObject({ code: 'data.damaged' });
  expect(error.message).toMatch(/is the same folder as .*, of the same class.*Delete the link/);
});
