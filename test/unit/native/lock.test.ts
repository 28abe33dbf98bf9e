import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { breakLock, freeLock, takeLock } from '../../../src/native/lock.js';
import { startChild } from '../../../src/process/child.js';
import { markOf } from '../../../src/system/process-mark.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse lock '));
  file = join(folder, 'cache', 'a.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The text that a holder leaves in the file. */
async function leaveLock(holder: unknown): Promise<void> {
  await takeLock(file);
  writeFileSync(file, typeof holder === 'string' ? holder : JSON.stringify(holder));
}

test('a lock that is held names its holder, and can be taken when it is given back', async () => {
  expect(await takeLock(file)).toBeNull();
  expect(await takeLock(file)).toBe(`process ${process.pid}`);
  await freeLock(file);
  expect(await takeLock(file)).toBeNull();
  expect(readdirSync(join(folder, 'cache'))).toEqual(['a.lock']);
});

test('of many calls of one process, at any distance from each other, one has it', async () => {
  for (let turns = 0; turns < 40; turns++) {
    const calls: Promise<string | null>[] = [];
    for (let call = 0; call < 4; call++) {
      calls.push(takeLock(file));
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    }
    const holders = await Promise.all(calls);
    expect(holders.filter((holder) => holder === null)).toHaveLength(1);
    await freeLock(file);
  }
});

test('the lock of a process that was killed is taken over', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const holder = { host: hostname(), pid: child.pid, mark: markOf(child.pid as number) };
  await leaveLock(holder);
  expect(await takeLock(file)).toBe(`process ${child.pid}`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await takeLock(file)).toBeNull();
  expect(await takeLock(file)).toBe(`process ${process.pid}`);
});

test.each([
  ['that another process has the id of', { host: hostname(), pid: process.pid, mark: 'long ago' }],
  ['that is not one', 'not JSON'],
  ['without a process', { host: hostname(), pid: 4_194_305, mark: null }],
])('a lock %s is taken over', async (_, holder) => {
  await leaveLock(holder);
  expect(await takeLock(file)).toBeNull();
});

test('of a process of another machine nothing is known: its lock is left to it', async () => {
  await leaveLock({ host: 'another', pid: 4_194_305, mark: null });
  expect(await takeLock(file)).toMatch(/machine another .*remove .*a\.lock/);
});

test('a lock is broken only while its holder is the one that was seen, and given back only by its own', async () => {
  await leaveLock({ host: 'another', pid: 7, mark: null });
  const [first, second] = [await takeLock(file), await takeLock(file)];
  await breakLock(file, first!);
  expect(await takeLock(file)).toBeNull();
  // The second one has seen the lock that is gone.
  await breakLock(file, second!);
  expect(await takeLock(file)).toBe(`process ${process.pid}`);
  await breakLock(file, `process ${process.pid}`);
  await leaveLock({ host: 'another', pid: 8, mark: null });
  await freeLock(file);
  expect(await takeLock(file)).toMatch(/process 8 of the machine another/);
  expect(readdirSync(join(folder, 'cache'))).toEqual(['a.lock']);
});

test('of many processes that find a dead lock at once, one has it', async () => {
  type Said = { readonly type: 'ready' } | { readonly type: 'answered'; readonly holder: string | null };
  const children = Array.from({ length: 6 }, () =>
    startChild<Said, 'take'>({ module: '../test/support/process/lock-child.mjs', args: [file], env: {} }),
  );
  const said = (type: Said['type']) =>
    children.map((child) => new Promise<Said>((resolve) => child.onMessage((one) => one.type === type && resolve(one))));
  await Promise.all(said('ready'));
  for (let round = 0; round < 10; round++) {
    rmSync(file, { force: true });
    await leaveLock({ host: hostname(), pid: 4_194_305, mark: null });
    const answers = said('answered');
    for (const child of children) child.send('take');
    const holders = (await Promise.all(answers)).map((answer) => ('holder' in answer ? answer.holder : 'nobody'));
    expect(holders.filter((holder) => holder === null).length, holders.join()).toBe(1);
    const names = children.map(({ pid }) => `process ${pid}`);
    for (const holder of holders) if (holder !== null) expect(names).toContain(holder);
  }
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => child.ended));
});
