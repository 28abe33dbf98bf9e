/** Processes are killed in mid-stage: a worker's, and the run goes on, no sample lost or counted twice; the run's, and all end. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { logged, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

describe('kill -9 in mid-stage', () => {
  test.each([
    ['engine', 'teacher-1'],
    ['agent', 'teacher-1'],
    ['engine', 'student-1'],
    ['agent', 'student-1'],
  ] as const)('of the %s of %s', async (part, worker) => {
    const cli = room.start('run', room.recipe(smallRecipe()), '--out', room.runs, '--json');
    const { run } = await cli.said('run-started');
    await cli.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 10);
    process.kill(room[part](worker), 'SIGKILL');
    expect(await cli.exit()).toBe(0);

    const folder = join(room.runs, run);
    expect(await auditRun(folder)).toEqual({ teacher: [], student: [] });
    expect(summaryOf(folder).restarts).toBeGreaterThanOrEqual(1);
    const types = cli.lines().map((line) => (line.type === 'stage-done' ? `${line.result.stage} done` : line.type));
    expect(types.indexOf('worker-gone'), 'it was killed in mid-stage').toBeLessThan(types.indexOf('student done'));
    const lives = logged(folder, 'worker.welcomed').map((line) => line.worker);
    expect(lives.filter((name) => name !== worker).sort(), 'the others kept their processes').toEqual(
      ['student-1', 'student-2', 'teacher-1'].filter((name) => name !== worker),
    );
  });

  test('of the command itself: nothing of the run outlives it', async () => {
    const cli = room.start('run', room.recipe(smallRecipe()), '--out', room.runs, '--json');
    await cli.said('progress');
    cli.kill('SIGKILL');
    expect(await cli.exit()).toBe('SIGKILL');
  });
});
