/** Processes are killed in mid-stage: a worker's, and the run goes on, no sample lost or counted twice; the run's, and all end. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { logged, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

describe('kill -9 in mid-stage', () => {
  // A run waits for its only teacher, so the teacher is killed last: the stage cannot end before it is back.
  test.each([
    ['engine', 'agent'],
    ['agent', 'engine'],
  ] as const)('of the %s of a student, and then of the %s of the teacher', async (ofStudent, ofTeacher) => {
    const cli = room.start('run', room.recipe(smallRecipe()), '--out', room.runs, '--json');
    const { run } = await cli.said('run-started');
    const reached = (share: number) =>
      cli.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > share * samples);
    await reached(0.1);
    process.kill(room[ofStudent]('student-1'), 'SIGKILL');
    await reached(0.4);
    process.kill(room[ofTeacher]('teacher-1'), 'SIGKILL');
    expect(await cli.exit()).toBe(0);

    const folder = join(room.runs, run);
    expect(await auditRun(folder)).toEqual({ teacher: [], student: [] });
    expect(summaryOf(folder).restarts).toBeGreaterThanOrEqual(1);
    const types = cli.lines().map((line) => (line.type === 'stage-done' ? `${line.result.stage} done` : line.type));
    const gone = types.slice(0, types.indexOf('student done')).filter((type) => type === 'worker-gone');
    expect(gone, 'they were killed in mid-stage').toHaveLength(2);
    const lives = logged(folder, 'worker.welcomed').map(({ worker }) => worker);
    expect(
      lives.filter((name) => name === 'student-2'),
      'the other one kept its process',
    ).toHaveLength(1);
    expect(
      lives.filter((name) => name === 'teacher-1'),
      'the teacher came back',
    ).toHaveLength(2);
  });

  test('of the command itself: nothing of the run outlives it', async () => {
    const cli = room.start('run', room.recipe(smallRecipe()), '--out', room.runs, '--json');
    await cli.said('progress');
    cli.kill('SIGKILL');
    expect(await cli.exit()).toBe('SIGKILL');
  });
});
