/** Runs that end before their time, by a kill or by Ctrl-C, and go on later as if nothing had happened. */

import { describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { auditRun } from '../support/audit.js';
import { journalOf, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';
import { reached, startRun } from '../support/start-run.js';

const room = useRunRoom();

/** Told when a stop has taken its full time, and all is killed. */
const STOP_OVERDUE = 'not stopped within';

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
