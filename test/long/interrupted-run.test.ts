/** A run that is stopped in each of its stages, and resumed: the end is that of a run that nobody stopped. */

import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { totalOf } from '../../src/data/shard-plan.js';
import { auditRun, finalCheckpoints, finalHashes } from '../support/audit.js';
import type { RunProcess } from '../support/run-process.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';
import { reached, startRun } from '../support/start-run.js';

const room = useRunRoom();

/** Bit for bit the same on every machine: one student, on the engine that is plain JavaScript. */
const EXACT = smallRecipe({ engine: 'cpu', students: 1, images: 96, testImages: 32, teacherEpochs: 4, studentEpochs: 4 });
const EXACT_SAMPLES = 4 * 96;
/** Told when a stop has taken its full time, and all is killed. */
const STOP_OVERDUE = 'not stopped within';

test('after Ctrl-C, in a stage of each kind: the same weights, bit for bit, as without', async () => {
  const undisturbed = await startRun(room, EXACT);
  expect(await undisturbed.cli.exit()).toBe(0);

  const first = await startRun(room, EXACT);
  await interrupt(first.cli, 'teacher');
  const { run } = first;
  expect(await checkpointed(run, 'teacher')).toBeGreaterThan(0);
  expect(await checkpointed(run, 'teacher')).toBeLessThan(EXACT_SAMPLES);

  expect((await auditRun(run)).teacher, 'the audit sees what is missing').not.toEqual([]);

  const second = room.start('resume', run, '--json');
  await interrupt(second, 'student');
  expect(await checkpointed(run, 'student')).toBeGreaterThan(0);
  expect(await checkpointed(run, 'student')).toBeLessThan(EXACT_SAMPLES);

  const third = room.start('resume', run, '--json');
  expect(await third.exit()).toBe(0);
  expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
  expect(await finalHashes(run)).toEqual(await finalHashes(undisturbed.run));
  expect(readdirSync(room.runs).length).toBe(2);
});

/** Ctrl-C when a third of the stage is committed. */
async function interrupt(cli: RunProcess, stage: string): Promise<void> {
  await reached(cli, stage, 0.3);
  cli.interrupt();
  expect(await cli.exit()).toBe(130);
  expect(cli.stderr).not.toContain(STOP_OVERDUE);
  expect(cli.stderr).toContain('stillhouse resume');
}

/** The samples in the stage's newest checkpoint, which has what was committed last. */
async function checkpointed(run: string, stage: string): Promise<number> {
  const commits = (await journalOf(run, 'commit')).filter((commit) => commit.stage === stage);
  const checkpoint = (await finalCheckpoints(run)).get(stage);
  expect(checkpoint?.state.round).toBe(commits.at(-1)?.round);
  return totalOf(checkpoint?.ranges ?? []);
}
