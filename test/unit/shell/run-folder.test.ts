/** The run's folder: unique names, a recipe that comes back, small files that are replaced whole. */

import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { writeFileAtomic } from '../../../coordinator/shell/atomic-file.js';
import { openLineFile } from '../../../coordinator/shell/line-file.js';
import { createRunFolder, openRunFolder } from '../../../coordinator/shell/run-folder.js';
import { dataListenFor } from '../../../coordinator/shell/sockets.js';
import { tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

const wallMs = new Date(2024, 1, 29, 7, 8, 9).getTime();

describe('createRunFolder', () => {
  test('names it after recipe and time, and puts the recipe in', async () => {
    const recipe = tinyRecipe();
    const folder = await createRunFolder({ runsFolder: join(scratchFolder(), 'deep', 'runs'), recipe, wallMs });
    expect(folder.name).toBe('tiny-20240229-070809');
    expect(readdirSync(folder.path).sort()).toEqual(['config.resolved.yaml', 'export', 'format']);
    expect(parse(readFileSync(folder.config, 'utf8'))).toEqual(recipe);
    expect(await openRunFolder(folder.path)).toEqual({ folder, recipe });
  });

  test('runs of the same second get folders of their own', async () => {
    const runsFolder = scratchFolder();
    const folders = await Promise.all(Array.from({ length: 12 }, () => createRunFolder({ runsFolder, recipe: tinyRecipe(), wallMs })));
    expect(new Set(folders.map(({ name }) => name)).size).toBe(12);
    expect(readdirSync(runsFolder)).toHaveLength(12);
  });

  test('the name fits a message however long the recipe is called', async () => {
    const recipe = tinyRecipe({ name: 'x'.repeat(64) });
    const runsFolder = scratchFolder();
    await createRunFolder({ runsFolder, recipe, wallMs });
    expect((await createRunFolder({ runsFolder, recipe, wallMs })).name.length).toBeLessThanOrEqual(64);
  });

  test('a place that cannot be written to is told', async () => {
    const file = join(scratchFolder(), 'file');
    writeFileSync(file, '');
    await expect(createRunFolder({ runsFolder: file, recipe: tinyRecipe(), wallMs })).rejects.toMatchObject({
      code: 'run.unwritable',
      message: `${file}: cannot make a run folder: there is a file in its place. Give --out a folder`,
    });
  });
});

describe('openRunFolder', () => {
  test('a folder without a recipe is no run', async () => {
    await expect(openRunFolder(scratchFolder())).rejects.toMatchObject({ code: 'run.invalid' });
  });

  test('a folder without a recipe that has other files of a run names what is gone, and where it can be had', async () => {
    const { path, basis, config, journal, format } = await createRunFolder({ runsFolder: scratchFolder(), recipe: tinyRecipe(), wallMs });
    const text = readFileSync(config);
    rmSync(config);
    const notRun = { message: `${path}: this folder is not a run. Give a folder that "stillhouse run" made` };
    await expect(openRunFolder(path)).rejects.toMatchObject(notRun);
    // Other programs have folders of checkpoints, too.
    const other = scratchFolder();
    mkdirSync(join(other, 'checkpoints'));
    await expect(openRunFolder(other)).rejects.toThrow('this folder is not a run');
    writeFileSync(journal, '');
    const gone = `${config}: the recipe of this run is gone. Put the file back`;
    await expect(openRunFolder(path)).rejects.toMatchObject({ code: 'run.invalid', message: gone });
    writeFileSync(basis, '{}');
    await expect(openRunFolder(path)).rejects.toThrow('the value of "recipe" there is its content');
    writeFileSync(config, text);
    rmSync(format);
    await expect(openRunFolder(path)).rejects.toMatchObject({
      code: 'run.invalid',
      message: expect.stringMatching(/the file that says the version of this run's folder is gone.*its content is the line \d+$/),
      details: { file: format },
    });
  });

  test.each([
    ['missing', () => {}, 'there is no such folder'],
    ['a file', (path: string) => writeFileSync(path, ''), 'this is a file, not the folder of a run'],
  ])('a folder that is %s', async (_, make, what) => {
    const path = join(scratchFolder(), 'run');
    make(path);
    await expect(openRunFolder(path)).rejects.toMatchObject({ code: 'run.invalid', message: expect.stringContaining(what) });
  });

  test('a recipe that somebody has spoilt is named with its line', async () => {
    const { path, config } = await createRunFolder({ runsFolder: scratchFolder(), recipe: tinyRecipe(), wallMs });
    appendFileSync(config, 'colour: red\n');
    const line = readFileSync(config, 'utf8').split('\n').length - 1;
    await expect(openRunFolder(path)).rejects.toMatchObject({ code: 'recipe.invalid', details: { file: config, line } });
  });
});

test('a small file is replaced, and nothing else is left', async () => {
  const folder = scratchFolder();
  const file = join(folder, 'summary.json');
  await writeFileAtomic(file, 'one');
  await writeFileAtomic(file, 'two');
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(readdirSync(folder)).toEqual(['summary.json']);
  await expect(writeFileAtomic(join(folder, 'missing', 'x'), '')).rejects.toMatchObject({ code: 'run.unwritable' });
});

test('a torn line of a line file does not spoil the next one', async () => {
  const file = join(scratchFolder(), 'metrics.jsonl');
  const first = await openLineFile(file);
  await first.append({ a: 1 });
  await first.close();
  appendFileSync(file, '{"b":');
  const second = await openLineFile(file);
  await second.append({ c: 3 });
  await second.close();
  expect(readFileSync(file, 'utf8')).toBe('{"a":1}\n{"b":\n{"c":3}\n');
});

test.each([
  ['tcp://127.0.0.1:5555', 'tcp://127.0.0.1:*'],
  ['tcp://[::1]:*', 'tcp://[::1]:*'],
  ['tcp://node7:5555', 'tcp://node7:*'],
  ['ipc:///tmp/x.sock', 'ipc:///tmp/x.sock.data'],
])('beside %s the data server listens on %s', (control, data) => {
  expect(dataListenFor(control)).toBe(data);
});
