/** Runs that go on with another recipe: what may change, what may not, and a finished run that gets more epochs. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { journalOf, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

test('a finished run gets more epochs; other values are refused by name, and change nothing', async () => {
  const first = room.start('run', room.recipe(smallRecipe({ studentEpochs: 2 })), '--out', room.runs, '--json');
  const { run: name } = await first.said('run-started');
  expect(await first.exit()).toBe(0);
  const run = join(room.runs, name);
  const resume = async (...set: readonly string[]) => {
    const process = room.start('resume', run, '--json', ...set.flatMap((one) => ['--set', one]));
    return { code: await process.exit(), process };
  };

  const same = await resume();
  expect(same.code).toBe(0);
  expect(same.process.linesOf('run-ended')[0]?.message).toBe('the run was finished before');

  const other = await resume('stages.student.batch=32', 'seed=9');
  expect(other.code).toBe(2);
  expect(other.process.stderr).toContain('seed was 7, and is 9');
  expect(other.process.stderr).toContain('stages.student.batch was 16, and is 32');
  expect((await resume('stages.student.epochs=1')).process.stderr).toContain('stages.student.epochs was 2, and is 1');
  const taught = await resume('stages.teacher.epochs=2');
  expect(taught.code).toBe(2);
  expect(taught.process.stderr).toContain('another model has learned from it');

  const more = await resume('stages.student.epochs=3', 'workers.students=1');
  expect(more.code).toBe(0);
  expect(more.process.linesOf('basis-changed')[0]?.changes).toEqual([
    'stages.student.epochs was 2, and is 3',
    'workers.students was 2, and is 1',
    'stages.student.loss.alpha is over 3 epochs now, and was over 2',
  ]);
  expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
  expect(summaryOf(run).samplesCommitted).toBe(640 + 3 * 640);
  const trained = (await journalOf(run, 'commit')).filter(({ stage }) => stage === 'student');
  expect(trained.reduce((sum, { ranges }) => sum + ranges.reduce((all, { start, end }) => all + end - start, 0), 0)).toBe(3 * 640);

  expect((await resume()).code, 'the longer run is finished as well').toBe(0);
});
