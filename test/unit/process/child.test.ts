import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Child, describeEnd, startChild } from '../../../src/process/child.js';
import { distFolder, packageFolder } from '../../../src/process/package-folder.js';

type Message = Readonly<Record<string, unknown>> & { readonly type: string };

/** Ends a wait in vain; a loaded machine takes seconds to start a process. */
const WAIT = { timeout: 60_000, interval: 5 };
const ECHO = '../test/support/process/echo-child.mjs';
const children: Child<Message, Message>[] = [];

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.splice(0).map((child) => child.ended));
});

/** A child that has said that it is ready, and what it says from then on, in order. */
async function start(options: { module?: string; args?: readonly string[]; env?: Record<string, string> } = {}) {
  const child = startChild<Message, Message>({ module: ECHO, args: [], ...options });
  children.push(child);
  const messages: Message[] = [];
  child.onMessage((message) => messages.push(message));
  const next = async (): Promise<Message> => vi.waitUntil(() => messages.shift(), WAIT);
  const ready = await next();
  expect(ready.type).toBe('ready');
  return { child, next, pid: Number(ready.pid) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a child', () => {
  test('gets its arguments and environment', async () => {
    const { child, next } = await start({ args: ['{"role":"teacher"}', 'a b'], env: { STILLHOUSE_TEST: 'yes' } });
    child.send({ type: 'args' });
    expect(await next()).toEqual({ type: 'args', args: ['{"role":"teacher"}', 'a b'], env: 'yes' });
  });

  test('exchanges typed arrays as what they are', async () => {
    const { child, next } = await start();
    const value = { ids: Int32Array.of(1, -2), loss: Number.NaN, bytes: new Uint8Array(3) };
    expect(child.send({ type: 'echo', value })).toBe(true);
    expect((await next()).value).toEqual(value);
  });

  test.each([0, 2, 75])('says that it ended with code %i', async (code) => {
    const { child } = await start();
    child.send({ type: 'exit', code });
    expect(await child.ended).toEqual({ code, signal: null });
    expect(child.send({ type: 'echo' })).toBe(false);
    const late = await new Promise((resolve) => child.onExit(resolve));
    expect(late).toEqual({ code, signal: null });
  });

  test('that exits after its messages are sent loses none', async () => {
    const { child } = await start();
    const seen: unknown[] = [];
    child.onMessage((message) => seen.push(message.i));
    child.send({ type: 'flood', count: 200 });
    await child.ended;
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('says that it was killed, and by what', async () => {
    const { child, pid } = await start();
    expect(child.pid).toBe(pid);
    child.kill('SIGKILL');
    expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' });
    child.kill('SIGKILL');
  });

  test('ignores SIGINT: Ctrl-C is for its parent', async () => {
    const { child, next } = await start();
    child.send({ type: 'interrupt' });
    expect(await next()).toEqual({ type: 'alive' });
  });

  test.each([
    ['idle', 'echo-child.mjs'],
    ['busy, and its event loop does not turn', 'busy-child.mjs'],
  ])('that is %s does not outlive a parent that was killed', async (_what, file) => {
    const { child, pid } = await start({ module: '../test/support/process/middle-child.mjs', args: [file] });
    expect(pid).not.toBe(child.pid);
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitUntil(() => !isAlive(pid), WAIT);
  });

  test('that is not compiled is named', () => {
    expect(() => startChild({ module: 'nowhere/main.js', args: [] })).toThrow(/nowhere\/main\.js is missing: compile the program first/);
  });
});

test('a process without a channel has no parent', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(packageFolder, 'test/support/process/echo-child.mjs')]);
  expect(stdout).toBe('no parent\n');
});

test('the compiled program finds the same folders as its sources', async () => {
  const script = `import('${distFolder}/src/process/package-folder.js').then((m) => console.log(m.packageFolder + '|' + m.distFolder))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  expect(stdout.trim()).toBe(`${packageFolder}|${distFolder}`);
});

test.each([
  [{ code: 1, signal: null }, 'exit code 1'],
  [{ code: null, signal: 'SIGKILL' }, 'signal SIGKILL'],
  [{ code: null, signal: null }, 'could not be started'],
] as const)('%j is "%s"', (end, text) => {
  expect(describeEnd(end)).toBe(text);
});
