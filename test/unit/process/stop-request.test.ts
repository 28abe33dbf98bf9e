import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const CHILD = fileURLToPath(new URL('../../support/process/stop-child.mjs', import.meta.url));

/** The requests to a child to which these things happen. */
async function heardBy(
  events: readonly (string | number)[],
  { hasParent, env = {} }: { readonly hasParent: boolean; readonly env?: Readonly<Record<string, string>> },
): Promise<unknown> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(events)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit', ...(hasParent ? (['ipc'] as const) : [])],
  });
  child.on('message', (type) => child.send({ type, reason: 'the user' }));
  return JSON.parse(await text(child.stdout as NodeJS.ReadableStream));
}

describe('with a parent', () => {
  test.each([
    [['stop'], ['ask the user']],
    [['stop', 1000, 'SIGTERM', 1000, 'SIGTERM', 'stop'], ['ask the user']],
    [['SIGTERM', 1000, 'stop', 1000, 'SIGTERM'], ['ask SIGTERM']],
    [
      ['stop', 'end'],
      ['ask the user', 'force the user'],
    ],
    [['end'], ['ask the user', 'force the user']],
    [['SIGINT', 1000, 'SIGINT'], []],
    [['SIGHUP', 1000, 'SIGHUP', 'SIGUSR1'], []],
    [
      ['checkpoint', 'checkpoint', 'stop'],
      ['checkpoint', 'checkpoint', 'ask the user'],
    ],
  ])('%j: %j', async (events, heard) => {
    expect(await heardBy(events, { hasParent: true })).toEqual(heard);
  });
});

describe('without a parent', () => {
  test.each([
    [
      ['SIGHUP', 1000, 'SIGHUP', 1000, 'SIGHUP'],
      ['ask SIGHUP', 'offer'],
    ],
    [['SIGTERM'], ['ask SIGTERM']],
    [
      ['SIGHUP', 1000, 'SIGTERM'],
      ['ask SIGHUP', 'offer', 'force SIGTERM'],
    ],
    [
      ['SIGUSR1', 1000, 'SIGUSR1', 'SIGTERM'],
      ['checkpoint', 'checkpoint', 'ask SIGTERM'],
    ],
    [
      ['SIGINT', 1000, 'SIGTERM'],
      ['ask SIGINT', 'offer', 'force SIGTERM'],
    ],
    [
      ['SIGTERM', 1000, 'SIGINT', 1, 'SIGINT'],
      ['ask SIGTERM', 'offer', 'force SIGINT', 'force SIGINT'],
    ],
    [
      ['SIGINT', 20, 'SIGINT', 1000, 'SIGINT'],
      ['ask SIGINT', 'offer', 'force SIGINT'],
    ],
  ])('%j: %j', async (events, heard) => {
    expect(await heardBy(events, { hasParent: false })).toEqual(heard);
  });
});

test('a hang-up that was ignored at the start asks for nothing', async () => {
  const env = { STILLHOUSE_HANG_UP: 'ignored' };
  expect(await heardBy(['SIGHUP', 'SIGHUP', 'SIGTERM'], { hasParent: false, env })).toEqual(['ask SIGTERM']);
});
