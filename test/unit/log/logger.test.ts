/** Lines on a real disk, written when the call returns; a full disk is told once and ends nothing. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { openLogger, silentLogger } from '../../../src/log/logger.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse log '));
  file = join(folder, 'log.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const lines = (): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('a line is in the file when the call returns, with its event, level, time and bindings', () => {
  const logger = openLogger({ file, bindings: { run: 'demo', role: 'coordinator' } });
  logger.info('worker.joined', { worker: 'student-1', step: 3 });
  expect(lines()).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      run: 'demo',
      role: 'coordinator',
      worker: 'student-1',
      step: 3,
      event: 'worker.joined',
    },
  ]);
});

test('a folder that is gone is not made for a log', () => {
  openLogger({ file: join(folder, 'gone', 'log.jsonl'), bindings: {} }).info('worker.joined');
  expect(existsSync(join(folder, 'gone'))).toBe(false);
});

test('a child adds its bindings, and the next process appends', () => {
  openLogger({ file, bindings: { run: 'demo' } })
    .child({ worker: 'teacher-1' })
    .warn('worker.slow');
  openLogger({ file, bindings: { run: 'demo' } }).error('worker.gone');
  expect(lines().map(({ level, event, worker }) => [level, event, worker])).toEqual([
    ['warn', 'worker.slow', 'teacher-1'],
    ['error', 'worker.gone', undefined],
  ]);
});

test('a field is in a line once: the line goes before the child, the child before the logger', () => {
  const logger = openLogger({ file, bindings: { role: 'coordinator', run: 'demo', term: 1 } }).child({ role: 'student', term: 2 });
  logger.info('worker.joined', { term: 3 });
  expect(lines()).toMatchObject([{ role: 'student', run: 'demo', term: 3 }]);
  expect(readFileSync(file, 'utf8').match(/"(role|term)"/g)).toHaveLength(2);
});

test('an error is written with its code, message and stack', () => {
  openLogger({ file, bindings: {} }).error('run.failed', { error: new StillhouseError('run.failed', 'no students', { file: 'x.yaml' }) });
  expect(lines()[0]?.error).toMatchObject({
    code: 'run.failed',
    message: 'x.yaml: no students',
    stack: expect.stringContaining('logger.test'),
  });
});

test('lines under the level are not written', () => {
  const logger = openLogger({ file, bindings: {}, level: 'warn' });
  logger.info('a.happened');
  logger.warn('b.happened');
  expect(lines().map(({ event }) => event)).toEqual(['b.happened']);
});

test('a field cannot break a line in two', () => {
  openLogger({ file, bindings: {} }).info('worker.said', { text: 'one\ntwo\u2028"}\n{' });
  expect(lines()).toHaveLength(1);
});

test('the silent logger writes nothing', () => {
  silentLogger.child({ worker: 'x' }).error('a.happened');
  expect(existsSync(file)).toBe(false);
});

const NO_FULL_DISK = 'this system has no /dev/full';

/** A module of the compiled program, as a script may import it. */
const compiled = (module: string): string => JSON.stringify(new URL(`../../../dist/src/${module}`, import.meta.url).href);

test('a full disk is told once, and the process goes on', (context) => {
  context.skip(!existsSync('/dev/full'), NO_FULL_DISK);
  const script = `
    const { openLogger } = await import(${compiled('log/logger.js')});
    const logger = openLogger({ file: '/dev/full', bindings: {} });
    for (let i = 0; i < 50; i++) logger.info('a.happened');
    await new Promise((resolve) => setImmediate(resolve));
    console.log('went on');
  `;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(result).toMatchObject({ status: 0, stdout: 'went on\n' });
  expect(result.stderr).toMatch(/^the log cannot be written: .*ENOSPC.*\n$/);
});

test.for([undefined, '/dev/full'])('a standard error that nobody reads ends nothing (log to %s)', async (dest, context) => {
  context.skip(dest !== undefined && !existsSync(dest), NO_FULL_DISK);
  const script = `
    const { openLogger } = await import(${compiled('log/logger.js')});
    const { surviveClosedPipes } = await import(${compiled('process/closed-pipe.js')});
    if (${dest !== undefined}) surviveClosedPipes();
    process.stdin.once('data', async () => {
      const logger = openLogger({ bindings: {}, file: ${JSON.stringify(dest)} });
      for (let i = 0; i < 20; i++) {
        logger.info('a.happened');
        await new Promise((resolve) => setImmediate(resolve));
      }
      process.stdout.write('went on');
      process.exitCode = 0;
      process.stdin.destroy();
    });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' });
  child.stderr.destroy();
  await once(child.stderr, 'close');
  child.stdin.write('go');
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect({ output, code }).toEqual({ output: 'went on', code: 0 });
});
