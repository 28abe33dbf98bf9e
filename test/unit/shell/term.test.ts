/** Terms rise, two coordinators never hold the same one, and the older of two notices. */

import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeTerm } from '../../../coordinator/shell/term.js';
import { scratchFolder } from './scratch-folder.js';

test('terms rise from 1, and their files name the holder', async () => {
  const folder = join(scratchFolder(), 'terms');
  expect((await takeTerm(folder, { pid: 7 })).term).toBe(1);
  expect((await takeTerm(folder, { pid: 8 })).term).toBe(2);
  expect(JSON.parse(readFileSync(join(folder, '2'), 'utf8'))).toEqual({ pid: 8 });
});

test('the older holder finds out, the newest goes on', async () => {
  const folder = scratchFolder();
  const first = await takeTerm(folder, {});
  first.requireNewest();
  const second = await takeTerm(folder, {});
  expect(() => first.requireNewest()).toThrow(
    expect.objectContaining({ code: 'run.busy', details: expect.objectContaining({ file: join(folder, '2') }) }),
  );
  second.requireNewest();
});

test('a holder whose folder was deleted or moved finds out', async () => {
  const run = join(scratchFolder(), 'run');
  const held = await takeTerm(join(run, 'terms'), {});
  renameSync(run, `${run}-moved`);
  expect(() => held.requireNewest()).toThrow(
    expect.objectContaining({
      code: 'run.gone',
      message: expect.stringContaining(`${run}: the run's folder or its journal was deleted or moved while the run went on`),
    }),
  );
  renameSync(`${run}-moved`, run);
  held.requireNewest();
});

test('a file in the place of the folder is an end; a disk that cannot tell is none', async () => {
  const run = join(scratchFolder(), 'run');
  const terms = join(run, 'terms');
  const held = await takeTerm(terms, {});
  renameSync(run, `${run}-moved`);
  writeFileSync(run, '');
  expect(() => held.requireNewest()).toThrow(expect.objectContaining({ code: 'run.gone' }));
  renameSync(run, `${run}-file`);
  // The look-up fails with ELOOP.
  symlinkSync(run, run);
  held.requireNewest();
});

test('of many that take one at once, all get different ones and one is the newest', async () => {
  const folder = scratchFolder();
  const held = await Promise.all(Array.from({ length: 20 }, (_, pid) => takeTerm(folder, { pid })));
  expect(held.map(({ term }) => term).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  const newest = held.filter((each) => {
    try {
      each.requireNewest();
      return true;
    } catch {
      return false;
    }
  });
  expect(newest.map(({ term }) => term)).toEqual([20]);
});

test('other files beside the terms do no harm', async () => {
  const folder = join(scratchFolder(), 'terms');
  mkdirSync(folder);
  for (const name of ['.DS_Store', 'notes', '3']) writeFileSync(join(folder, name), '');
  expect((await takeTerm(folder, {})).term).toBe(4);
  expect(readdirSync(folder)).toContain('4');
});
