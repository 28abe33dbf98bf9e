import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { childSecondsOf, processorSecondsOf } from '../../bench/process-time.js';

const BURN = `
  const until = process.cpuUsage().user + 300_000;
  while (process.cpuUsage().user < until);
  process.stdout.write('done');
  setInterval(() => {}, 1000);`;
const PARENT = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(BURN)}], { stdio: 'inherit' });`;

test("a process's children are counted apart from it", async ({ skip }) => {
  skip(!existsSync('/proc/self/task'), 'times of processes are found by /proc, which is not here');
  const parent = spawn(process.execPath, ['-e', PARENT], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  await once(parent.stdout, 'data');
  const pid = parent.pid as number;
  expect(childSecondsOf(pid)).toBeGreaterThanOrEqual(0.3);
  expect(processorSecondsOf(pid)).toBeGreaterThan(0);
  const gone = once(parent, 'exit');
  process.kill(-pid, 'SIGKILL');
  await gone;
  expect(processorSecondsOf(pid)).toBeNull();
  expect(childSecondsOf(pid)).toBe(0);
});
