import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import type { RunView } from '../../../src/cli/run-view.js';
import { type RunEnd, supervise } from '../../../src/cli/supervisor.js';
import { hasCode } from '../../../src/errors/stillhouse-error.js';

const MODULES = { coordinator: '../test/support/process/fake-coordinator.mjs', worker: '../test/support/process/fake-worker.mjs' };
/** Delays are so much shorter here: what waits for seconds waits for moments. Not where something must come before a delay is over. */
const HASTE = 50;
/** Ends a wait in vain; a loaded machine takes seconds to start a process. */
const WAIT = { timeout: 60_000, interval: 5 };

interface Supervised {
  readonly end: Promise<RunEnd>;
  /** The lines that the user was shown, in order. */
  readonly told: string[];
  until(text: string): Promise<unknown>;
  /** Once it is listening. */
  killCoordinator(): void;
}

/** A run whose coordinator behaves as `recipe` says and whose workers behave as they are called. */
function start(recipe: string, workers: readonly string[] = [], haste = HASTE): Supervised {
  const told: string[] = [];
  let coordinator = 0;
  const view: RunView = {
    report: (report) => void told.push(report.type),
    note: (text) => void told.push(text),
    alert: (text) => void told.push(text),
    fail: (code, text) => void told.push(`error (${code}): ${text}`),
    close: () => {},
  };
  const clock: Clock = { ...systemClock, after: (delayMs, ...rest) => systemClock.after(delayMs / haste, ...rest) };
  const end = supervise({
    coordinator: { recipe, listen: 'tcp://127.0.0.1:*', insecure: false },
    workers: workers.map((name) => ({ role: name.includes('teacher') ? 'teacher' : 'student', name, insecure: false })),
    restarts: 2,
    view,
    clock,
    modules: MODULES,
    onListening: (endpoint) => {
      told.push('listening');
      // The fake one's port is its process id.
      coordinator = Number(endpoint.split(':').at(-1));
    },
  });
  const killCoordinator = (): void => void process.kill(coordinator, 'SIGKILL');
  return {
    end,
    told,
    killCoordinator,
    until: (text) => vi.waitUntil(() => told.some((line) => line.includes(text)), WAIT),
  };
}

describe('the exit code is that of how the run ended', () => {
  test.each([
    ['done', 0],
    ['failed', 1],
    ['refused', 2],
    ['crash', 75],
    ['waited', 75],
    ['stillborn', 1],
  ] as const)('%s: %i', async (recipe, code) => {
    const { end, told } = start(recipe, ['student-1', 'teacher-1']);
    expect(await end).toMatchObject({ code, isResumable: recipe === 'crash' || recipe === 'waited' });
    if (recipe === 'crash') expect(told.join('\n')).toMatch(/coordinator ended unexpectedly \(exit code 1\)/);
  });

  test('a run whose folder is gone has none, and cannot be resumed', async () => {
    expect(await start('gone', ['student-1']).end).toMatchObject({ code: 2, run: null, isResumable: false });
  });

  test('workers that hear nothing are ended too', async () => {
    const { end } = start('done', ['deaf-student']);
    expect((await end).code).toBe(0);
  });
});

describe('a signal', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s stops the run gracefully', async (signal, code) => {
    const { end, until } = start('hang', ['student-1'], 1);
    await until('listening');
    process.emit(signal, signal);
    expect(await end).toMatchObject({ code, summary: { engine: 'cpu' }, isResumable: true });
  });

  test('once more kills at once what does not stop', async () => {
    const { end, until, told } = start('stubborn', ['deaf-student'], 1);
    await until('listening');
    process.emit('SIGINT', 'SIGINT');
    await until('a second signal (Ctrl-C) stops it at once');
    process.emit('SIGINT', 'SIGINT');
    expect(await end).toMatchObject({ code: 130, summary: null });
    expect(told.join()).not.toContain('did not stop within 10 s');
  });

  test('that a launcher passes on as well is still one wish', async () => {
    const { end, until } = start('hang', ['student-1'], 1);
    await until('listening');
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGINT', 'SIGINT');
    expect(await end).toMatchObject({ code: 130, summary: { engine: 'cpu' } });
  });

  test('once kills what has not stopped after ten seconds', async () => {
    const { end, until, told } = start('stubborn');
    await until('listening');
    process.emit('SIGTERM', 'SIGTERM');
    expect((await end).code).toBe(143);
    expect(told).toContain('the run did not stop within 10 s; it is stopped at once');
  });

  test('leaves no handler behind', async () => {
    const before = process.listenerCount('SIGINT');
    await start('done').end;
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});

test('an error that a person can mend says so with the way to go on', async () => {
  expect(await start('mendable').end).toMatchObject({ code: 2, isResumable: true, mend: 'that is mended' });
});

describe('no engine outlives the run', () => {
  /** A worker whose engine does not notice the end of its agent, and whether that engine lives. */
  function busyWorker(): { name: string; isUp: () => boolean; isAlive: () => boolean } {
    const name = `busy-student-${randomUUID()}`;
    const file = join(tmpdir(), `${name}.pid`);
    const isAlive = (): boolean => {
      try {
        return process.kill(Number(readFileSync(file, 'utf8')), 0);
      } catch (error) {
        if (!hasCode(error, 'ESRCH')) throw error;
        return false;
      }
    };
    onTestFinished(() => {
      if (isAlive()) process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
      rmSync(file);
    });
    return { name, isUp: () => existsSync(file) && readFileSync(file, 'utf8') !== '', isAlive };
  }

  test('that is killed by a second signal', async () => {
    const { name, isUp, isAlive } = busyWorker();
    const { end, until } = start('stubborn', [name], 1);
    await vi.waitUntil(isUp, WAIT);
    process.emit('SIGINT', 'SIGINT');
    await until('a second signal (Ctrl-C) stops it at once');
    process.emit('SIGINT', 'SIGINT');
    expect((await end).code).toBe(130);
    expect(isAlive()).toBe(false);
  });

  test('whose coordinator is killed', async () => {
    const { name, isUp, isAlive } = busyWorker();
    const { end, killCoordinator } = start('hang', [name], 1);
    await vi.waitUntil(isUp, WAIT);
    killCoordinator();
    expect((await end).code).toBe(75);
    expect(isAlive()).toBe(false);
  });
});

describe('a worker that dies', () => {
  test('is started again so often, and the run ends when no other of its role is left', async () => {
    const { end, told } = start('hang', ['exit-1-student', 'teacher-1']);
    expect(await end).toMatchObject({ code: 1, isResumable: true });
    expect(told.join('\n')).not.toContain('run.interrupted');
    expect(told.filter((line) => line.includes('starting it again'))).toEqual([
      'exit-1-student ended (exit code 1); starting it again (1 of 2)',
      'exit-1-student ended (exit code 1); starting it again (2 of 2)',
    ]);
    expect(told.join('\n')).toMatch(
      /not started again: it was started again 2 times already, the maximum \(workers\.restarts\)\nerror \(worker\.exhausted\): no student is left/,
    );
  });

  test('does not end the run while another of its role is there', async () => {
    const { end, until, told } = start('hang', ['exit-2-student', 'student-2']);
    await until('exit-2-student ended (exit code 2); it is not started again');
    process.emit('SIGINT', 'SIGINT');
    expect((await end).code).toBe(130);
    expect(told.join('\n')).not.toMatch(/exhausted/);
  });

  test('with the code of a run that is over, while the run goes on, leaves nobody to wait for', async () => {
    const { end, told } = start('hang', ['exit-0-student', 'teacher-1']);
    expect(await end).toMatchObject({ code: 75, isResumable: true });
    expect(told).toContain('error (run.interrupted): no student is left, so the run cannot go on');
  });

  test('with the code of a run that is over stays away', async () => {
    const { end, until, told } = start('hang', ['exit-0-student', 'exit-1-student']);
    await until('starting it again');
    process.emit('SIGINT', 'SIGINT');
    await end;
    expect(told.join('\n')).not.toMatch(/exit-0-student/);
  });
});
