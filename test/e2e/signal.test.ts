/** Signals to a run and to a worker: SIGUSR1 asks for a checkpoint and ends nothing, SIGHUP stops as SIGTERM does. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunProcess } from '../support/run-process.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

/** A stage of many rounds, of which no checkpoint is due by itself. */
const LONG = ['--set', 'stages.teacher.epochs=2000', '--set', 'stages.teacher.checkpointEvery=100000'];

async function started(command: 'run' | 'coordinator', ...more: readonly string[]): Promise<{ cli: RunProcess; run: string }> {
  const cli = room.start(command, room.recipe(smallRecipe({ students: 1 })), '--out', room.runs, '--json', ...LONG, ...more);
  const { run } = await cli.said('run-started');
  return { cli, run: join(room.runs, run) };
}

describe('SIGUSR1', () => {
  test('to run: a checkpoint, whichever process gets it, and the run goes on; SIGHUP then stops it', async () => {
    const { cli, run } = await started('run');
    await cli.said('progress');
    // A batch system sends it to all processes of the group.
    process.kill(-cli.pid, 'SIGUSR1');
    const { round } = await cli.said('checkpoint');
    await cli.said('progress', (line) => line.round > round);
    // On a slow machine another one may have been due.
    const before = (await journalOf(run, 'checkpoint')).map((checkpoint) => checkpoint.round);
    expect(before).toContain(round);
    expect(cli.stderr).not.toContain('ebugger');

    process.kill(-cli.pid, 'SIGHUP');
    expect(await cli.exit(), 'a shell calls it 129').toBe('SIGHUP');
    expect(cli.stderr).toContain('to continue the run');
    expect((await journalOf(run, 'checkpoint')).length).toBeGreaterThan(before.length);
  });

  test('to a worker that was started by hand: its coordinator makes the checkpoint', async () => {
    const { cli, run } = await started('coordinator', '--listen', 'tcp://127.0.0.1:*');
    const { endpoint } = await cli.said('listening');
    const worker = room.start('worker', '--role', 'student', '--coordinator', endpoint, '--name', 'student-a');
    await cli.said('progress');
    worker.kill('SIGUSR1');
    await cli.said('checkpoint');
    worker.kill('SIGHUP');
    expect(await worker.exit()).toBe('SIGHUP');
    expect((await journalOf(run, 'checkpoint')).length).toBeGreaterThan(0);
    cli.kill('SIGHUP');
    expect(await cli.exit(), 'a shell calls it 129').toBe('SIGHUP');
  });
});
