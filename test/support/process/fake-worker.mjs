/**
 * Stands for a worker in tests of the supervisor: ends as its name says ("exit-3-a"), or stays until it is told to stop.
 * A "busy" one has an engine that does not notice when it is gone, and ends that only when it has to end at once.
 */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitNow } from '../../../dist/src/process/exit.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const { name } = JSON.parse(process.argv[2]);
const link = linkToParent();
const engine = name.startsWith('busy') ? spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']) : null;
// Its process id, for the test.
if (engine !== null) writeFileSync(join(tmpdir(), `${name}.pid`), String(engine.pid));
link.onMessage(({ type }) => {
  if (name.startsWith('deaf') || (engine !== null && type !== 'end')) return;
  if (engine === null) exitNow(0);
  engine.once('exit', () => exitNow(0)).kill('SIGKILL');
});
const [, code] = /^exit-(\d+)/.exec(name) ?? [];
if (code !== undefined) exitNow(Number(code));
