/** A command that a signal ends before it has begun says so in a line; afterwards its own handlers answer. */

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const compiled = (module: string): string => JSON.stringify(new URL(`../../../dist/src/process/${module}`, import.meta.url).href);

/** Runs the script, which waits for a signal that it sends to itself. */
function end(script: string): { readonly status: number | null; readonly stderr: string } {
  const wait = 'setInterval(() => {}, 1000); setImmediate(() => process.kill(process.pid, "SIGINT"));';
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${script}\n${wait}`], { encoding: 'utf8' });
  return { status, stderr };
}

const early = `
  process.on('SIGINT', () => process.stderr.write('the launcher'));
  const { tellEarlyStop } = await import(${compiled('early-stop.js')});
  tellEarlyStop(', too early', (text) => process.stderr.write(text + '!'));
`;

test('before, in the place of the launcher', () => {
  expect(end(early)).toEqual({ status: 130, stderr: 'stopped: SIGINT, too early!' });
});

test('and not any more once a command has handlers of its own', () => {
  const own = `
    const { onStopSignal } = await import(${compiled('stop-request.js')});
    onStopSignal({ clock: { after: () => ({ cancel() {} }) }, ask: (signal) => process.exit(signal === 'SIGINT' ? 7 : 8), force() {} });
  `;
  expect(end(early + own)).toEqual({ status: 7, stderr: '' });
});
