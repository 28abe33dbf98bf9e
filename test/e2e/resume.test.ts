/** Runs that end before their time, by a kill or by Ctrl-C, and go on later as if nothing had happened. */

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { auditRun, finalCheckpoints, finalHashes } from '../support/audit.js';
import type { RunProcess } from '../support/run-process.js';
import { journalOf, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';
import { startRun } from '../support/start-run.js';

const room = useRunRoom();

/** Bit for bit the same on every machine: one student, on the engine that is plain JavaScript. */
const EXACT = smallRecipe({ engine: 'cpu', students: 1, images: 96, testImages: 32, teacherEpochs: 4, studentEpochs: 4 });
const EXACT_SAMPLES = 4 * 96;
/** Told when a stop has taken its full time, and all is killed. */
const STOP_OVERDUE = 'not stopped within';

/** Until so much of the stage is committed. */
function reached(cli: RunProcess, stage: string, share: number): Promise<unknown> {
  return cli.said('progress', (line) => line.stage === stage && line.committed > share * line.samples);
}

describe('resume', () => {
  test('after kill -9 of the coordinator in mid-stage: goes on from the last checkpoint, and leaves finished stages alone', async () => {
    const { cli, run } = await startRun(room, smallRecipe());
    await reached(cli, 'student', 0.4);
    process.kill(room.coordinator(), 'SIGKILL');
    expect(await cli.exit()).toBe(75);
    expect(cli.stderr).toContain('stillhouse resume');
    expect(cli.stderr).toContain(run);

    const resumed = room.start('resume', run, '--json');
    expect(await resumed.exit()).toBe(0);
    expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
    expect((await journalOf(run, 'stage-done')).map(({ result, term }) => [result.stage, term])).toEqual([
      ['teacher', 1],
      ['student', 2],
    ]);
    const later = (await journalOf(run, 'commit')).filter(({ term }) => term === 2);
    expect(new Set(later.map(({ stage }) => stage))).toEqual(new Set(['student']));
    const again = totalOf(present(later.at(0), 'a commit after the resume').ranges);
    expect(later.at(0)?.committed, 'it went on from a checkpoint').toBeGreaterThan(again);
    expect(summaryOf(run).samplesCommitted).toBe(640 + 12 * 640);
  });

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

  test('a second Ctrl-C does not wait for a checkpoint', async () => {
    const { cli } = await startRun(room, smallRecipe());
    await reached(cli, 'student', 0.1);
    // A coordinator that hears nothing any more: without the second signal the stop would take its full time.
    process.kill(room.coordinator(), 'SIGSTOP');
    cli.interrupt();
    await cli.told('a second signal (Ctrl-C) stops it at once');
    cli.interrupt();
    expect(await cli.exit()).toBe(130);
    expect(cli.stderr).not.toContain(STOP_OVERDUE);
    expect(cli.stderr).toContain('stillhouse resume');
  });
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
