/** The format `csv`: images and a CSV of their labels, as Python's csv module and others write it, and what is wrong with one. */

import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataRecipe } from '../../../../src/config/schema.js';
import { classNamesOf } from '../../../../src/data/class-names.js';
import { inspectData, loadSplit, readContent, verifyData } from '../../../../src/data/dataset.js';
import { FingerprintCache } from '../../../../src/data/fingerprint-cache.js';
import { failureOf } from '../../../support/format-cases.js';
import { writeNoiseFolder } from '../../../support/image-folder.js';

let root = '';
let cache: FingerprintCache;
let sets = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse csv '));
  cache = new FingerprintCache(join(root, 'cache', 'fingerprints.json'));
});
afterAll(() => rm(root, { recursive: true }));

const CLASSES = ['Eel', 'cat', 'dog'];
const SPLITS = { train: { part: 'train', from: 0 }, val: { part: 'val', from: 0 } };
const recipeOf = (path: string, changes: Partial<DataRecipe> = {}): DataRecipe => ({
  ...{ format: 'csv', path, labels: 'fine', image: { size: 16 }, splits: SPLITS },
  ...{ normalise: { mean: [0.4, 0.5, 0.6], std: [0.2, 0.2, 0.2] }, ...changes },
});

/** The images of a part, in the order of the format `folder`. */
const pathsOf = (part: string, count: number) =>
  CLASSES.flatMap((name) => Array.from({ length: count }, (_, i) => `${part}/${name}/${i}.jpg`));
const classOf = (path: string) => path.split('/')[1]!;

/** Four images of each class in train, two in val, and the CSV files with these contents; `null`: the images with the names of their classes. */
async function newSet(train: string | Buffer | null = null, val: string | null = null): Promise<string> {
  const set = join(root, `set-${sets++}`);
  await writeNoiseFolder(set);
  const plain = (part: string, count: number) =>
    ['path,label', ...pathsOf(part, count).map((path) => `${path},${classOf(path)}`), ''].join('\n');
  await writeFile(join(set, 'train.csv'), train ?? plain('train', 4));
  await writeFile(join(set, 'val.csv'), val ?? plain('val', 2));
  return set;
}

async function labelsOf(recipe: DataRecipe, split = 'train'): Promise<readonly number[]> {
  const source = await loadSplit(recipe, split, cache);
  return Array.from({ length: source.count }, (_, i) => source.label(i));
}

test('a set is what it is as a folder: the same fingerprints, images and names of classes', async () => {
  const set = await newSet();
  const recipe = recipeOf(set);
  const folder = recipeOf(set, { format: 'folder' });
  expect(await inspectData(recipe, cache)).toEqual(await inspectData(folder, cache));
  const { files, ...verified } = await verifyData(recipe, cache);
  const { files: folders, ...expected } = await verifyData(folder, cache);
  expect(verified).toEqual(expected);
  expect(files).toEqual([
    { file: join(set, 'train.csv'), samples: 12 },
    { file: join(set, 'val.csv'), samples: 6 },
  ]);
  expect(folders).toHaveLength(2);
  expect(await readContent(recipe, { cache })).toMatchObject({ shared: [] });
  expect(await classNamesOf(recipe, cache)).toEqual(CLASSES);
});

test('an image in two parts is found', async () => {
  const set = await newSet(null, 'path,label\ntrain/cat/0.jpg,cat\nval/dog/0.jpg,dog\nval/Eel/0.jpg,Eel\n');
  expect((await readContent(recipeOf(set), { cache })).shared).toEqual([
    { splits: ['train', 'val'], count: 1 },
    { splits: ['val', 'train'], count: 1 },
  ]);
});

describe('rows are read as they are written', () => {
  /**
   * By Python 3.13: `w = csv.writer(open(f, 'w', newline='', encoding='utf-8-sig'))`, then a row of each line, with the classes
   * 'cat, small' and 'a "big" dog'.
   */
  const PYTHON = [
    '\ufeffid,class,file',
    '0,"cat, small",train/cat/0.jpg',
    '1,"a ""big"" dog",train/dog/0.jpg',
    '2,"cat, small","train/cat/a, b.jpg"',
    '3,"two\nlines",train/Eel/0.jpg',
    '',
  ].join('\r\n');

  test('quotes, commas, line feeds, CRLF, a byte order mark, other columns', async () => {
    const set = await newSet(PYTHON);
    await copyFile(join(set, 'train/cat/0.jpg'), join(set, 'train/cat/a, b.jpg'));
    const recipe = recipeOf(set, { csv: { path: 'file', label: 'class' }, splits: { train: SPLITS.train } });
    expect(await classNamesOf(recipe, cache)).toEqual(['a "big" dog', 'cat, small', 'two\nlines']);
    expect(await labelsOf(recipe)).toEqual([1, 0, 1, 2]);
  });

  test('whole paths, points, empty lines, spaces, no line feed at the end', async () => {
    const set = await newSet();
    await writeFile(
      join(set, 'train.csv'),
      `path , label\n\n${set}/train/cat/0.jpg, cat\n./train//dog/0.jpg,dog \r\n\n"train/dog/1.jpg" ,dog`,
    );
    expect(await labelsOf(recipeOf(set, { splits: { train: SPLITS.train } }))).toEqual([0, 1, 1]);
  });

  test('whole numbers are classes, as many as data.classes says, or up to the largest', async () => {
    const set = await newSet('path,label\ntrain/cat/0.jpg,2\ntrain/dog/0.jpg,0\n', 'path,label\nval/cat/0.jpg,1\n');
    const train = { splits: { train: SPLITS.train } };
    expect(await inspectData(recipeOf(set, train), cache)).toMatchObject({ classes: 3, splitSizes: { train: 2 } });
    expect((await failureOf(inspectData(recipeOf(set), cache))).message).toMatch(
      /part train has 3 classes, and part val has 2.*classes: 10/,
    );
    expect(await inspectData(recipeOf(set, { classes: 5 }), cache)).toMatchObject({ classes: 5 });
    expect(await labelsOf(recipeOf(set, { classes: 5 }), 'train')).toEqual([2, 0]);
    expect(await classNamesOf(recipeOf(set, { classes: 5 }), cache)).toBeNull();
    const names = recipeOf(set, { classes: ['eel', 'dog', 'cat'] });
    expect(await inspectData(names, cache)).toMatchObject({ classes: 3 });
    expect(await classNamesOf(names, cache)).toEqual(['eel', 'dog', 'cat']);
  });

  test('names are classes in the order of data.classes, where that has them', async () => {
    const recipe = recipeOf(await newSet(), { classes: ['dog', 'cat', 'Eel', 'cow'] });
    expect(await labelsOf(recipe, 'val')).toEqual([2, 2, 1, 1, 0, 0]);
    expect(await inspectData(recipe, cache)).toMatchObject({ classes: 4 });
    const digits = await newSet('path,label\ntrain/cat/0.jpg,7\ntrain/dog/0.jpg,9\n');
    expect(await labelsOf(recipeOf(digits, { classes: ['9', '7'], splits: { train: SPLITS.train } }))).toEqual([1, 0]);
  });
});

describe('what is wrong is told with the file and the line', () => {
  const rows = (...lines: readonly string[]) => ['path,label', 'train/cat/0.jpg,cat', 'train/dog/0.jpg,dog', ...lines].join('\n');
  test.each<[string, string | Buffer, number, RegExp, Partial<DataRecipe>?]>([
    ['an empty file', '', 1, /is empty/],
    ['a header alone', 'path,label\n', 1, /names no image/],
    ['a missing column', 'file;label\nx;y', 1, /has no column path; it has file;label.*csv: \{ path/],
    ['a column twice', 'path,label,path\n', 1, /has two columns path/],
    ['a missing file', rows('train/dog/9.jpg,dog'), 4, /there is no file train\/dog\/9\.jpg.*data\.path/],
    ['a missing folder', rows('other/9.jpg,dog'), 4, /there is no file other\/9\.jpg/],
    ['the separators of another system', rows('train\\dog\\1.jpg,dog'), 4, /there is no file.*with \/ between folders/],
    ['a folder', rows('train/dog,dog'), 4, /train\/dog is not a file/],
    ['an empty path', rows(',dog'), 4, /has an empty path/],
    ['an empty label', rows('train/dog/1.jpg,'), 4, /has an empty label/],
    ['a path out', rows('train/../../x.jpg,dog'), 4, /leads out of the data set's folder/],
    ['a whole path out', rows('/etc/passwd,dog'), 4, /leads out/],
    ['a path twice', rows('', './train/cat/0.jpg,cat'), 5, /names train\/cat\/0\.jpg a second time: line 2 has it/],
    ['a field too many', rows('train/dog/1.jpg,dog,1'), 4, /has 3 fields, and the header 2/],
    ['a field too few', rows('train/dog/1.jpg'), 4, /has 1 fields, and the header 2/],
    ['a quote that is not closed', rows('"train/dog/1.jpg,dog'), 4, /[Qq]uote/],
    ['a name that is not UTF-8', Buffer.from(`${rows('train/dog/\xe9.jpg,dog')}\n`, 'latin1'), 4, /is not UTF-8/],
    ['one class', 'path,label\ntrain/cat/0.jpg,cat\n', 2, /all images have the label "cat"/],
    ['more names than classes', rows(), 2, /has 2 names of classes, and data\.classes is 9/, { classes: 9 }],
    ['a name that data.classes lacks', rows(), 3, /the label "dog" is not among the 2 names/, { classes: ['cat', 'cow'] }],
    ['a number beyond data.classes', 'path,label\ntrain/cat/0.jpg,0\ntrain/dog/0.jpg,2', 3, /2 is not a class from 0 to 1/, { classes: 2 }],
    ['a number beyond reason', 'path,label\ntrain/cat/0.jpg,12345678', 2, /no data set has so many classes/],
    ['names among numbers', rows('train/dog/1.jpg,7'), 2, /"cat" is a name, and others are numbers, such as 7/],
    ['numbers that are not whole', 'path,label\ntrain/cat/0.jpg,1.0\n', 2, /1\.0 is no whole number from 0/],
    ['a negative number', 'path,label\ntrain/cat/0.jpg,-1\n', 2, /-1 is no whole number from 0/],
  ])('%s', async (_, content, line, message, changes = {}) => {
    const set = await newSet(content);
    const recipe = recipeOf(set, { splits: { train: SPLITS.train }, ...changes });
    for (const work of [() => inspectData(recipe, cache), () => loadSplit(recipe, 'train', cache)]) {
      const error = await failureOf(work());
      expect(error.code).toBe(/there is no file/.test(error.message) ? 'data.missing' : 'data.damaged');
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${join(set, 'train.csv')}:${line}: `);
      expect(error.details).toMatchObject({ line, hint: expect.any(String) });
    }
  });

  test('links out of the folder, and to nothing', async () => {
    const set = await newSet(rows('train/cat/l.jpg,cat'));
    const train = recipeOf(set, { splits: { train: SPLITS.train } });
    await symlink(join(root, 'nowhere.jpg'), join(set, 'train/cat/l.jpg'));
    expect((await failureOf(inspectData(train, cache))).message).toMatch(/train\.csv:4: there is no file train\/cat\/l\.jpg/);
    await writeFile(join(root, 'nowhere.jpg'), 'x');
    expect((await failureOf(inspectData(train, cache))).message).toMatch(/train\.csv:4: train\/cat\/l\.jpg is reached by a link out/);
    await mkdir(join(root, 'elsewhere'));
    await symlink(join(root, 'elsewhere'), join(set, 'linked'));
    await writeFile(join(set, 'train.csv'), rows('linked/0.jpg,cat'));
    expect((await failureOf(inspectData(train, cache))).message).toMatch(/linked is reached by a link out/);
  });

  test.each([
    [
      'a/x.jpg',
      'b/x.jpg',
      /csv:3: names b\/x\.jpg a second time: line 2 has it, as b\/x\.jpg is reached by a link: the file is \S.*\/a\/x\.jpg/,
    ],
    ['b/x.jpg', 'a/x.jpg', /csv:3: names a\/x\.jpg a second time: line 2 has it\./],
    ['a/x.jpg', 'a/link.jpg', /csv:3: names a\/link\.jpg a second time: line 2 has it, as a\/link\.jpg is reached by a link/],
    ['a/link.jpg', 'b/link.jpg', /csv:3: names b\/link\.jpg a second time: line 2 has it/],
    ['b/far.jpg', 'val/cat/0.jpg', /csv:3: names val\/cat\/0\.jpg a second time: line 2 has it/],
  ])('a file that two paths lead to is named twice: %s, %s', async (first, second, message) => {
    const set = await newSet(`path,label\n${first},cat\n${second},dog\n`);
    await mkdir(join(set, 'a'));
    await writeFile(join(set, 'a/x.jpg'), '');
    await symlink('a', join(set, 'b'));
    await symlink('x.jpg', join(set, 'a/link.jpg'));
    await symlink('../val/cat/0.jpg', join(set, 'a/far.jpg'));
    const error = await failureOf(inspectData(recipeOf(set, { splits: { train: SPLITS.train } }), cache));
    expect(error.code).toBe('data.damaged');
    expect(error.message).toMatch(message);
  });

  test('no such CSV file, a class that one part lacks, and images that are broken', async () => {
    const set = await newSet(null, 'path,label\nval/cat/0.jpg,cat\nval/dog/0.jpg,dog\n');
    expect((await failureOf(inspectData(recipeOf(set), cache))).message).toMatch(
      /part train has the class Eel, and part val has not.*data\.classes/,
    );
    const other = recipeOf(set, { splits: { all: { part: 'test', from: 0 } } });
    expect(await failureOf(inspectData(other, cache))).toMatchObject({ code: 'data.missing', what: expect.stringMatching('test.csv') });
    await writeFile(join(set, 'train/cat/2.jpg'), '<html>');
    const error = await failureOf(readContent(recipeOf(set, { classes: CLASSES }), { cache }));
    expect(error.message).toContain(`${join(set, 'train/cat/2.jpg')}: is a page of a website`);
  });
});
