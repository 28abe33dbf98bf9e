/** A coordinator and workers that are started one by one, as on a cluster: they find each other, and end together. */

import { describe, expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { journalOf, loggedOnce, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe, smallRecipe } from '../support/small-recipe.js';
import { startCoordinator, startWorker } from '../support/start-run.js';

const room = useRunRoom();

describe('workers started by hand', () => {
  test('a teacher and two students over tcp finish the run, and all end well', async () => {
    const { coordinator, endpoint, run } = await startCoordinator(room, smallRecipe({ studentEpochs: 3 }));
    expect(endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const workers = ['teacher-a', 'student-a', 'student-b'].map((name) => startWorker(room, endpoint, name));
    for (const process of [coordinator, ...workers]) expect(await process.exit(), process.command).toBe(0);

    expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
    expect(summaryOf(run)).toMatchObject({ engine: 'wasm', restarts: 0, samplesCommitted: 640 + 3 * 640 });
    const contributors = (await journalOf(run, 'commit')).flatMap((commit) => commit.contributors);
    expect(new Set(contributors)).toEqual(new Set(['student-a', 'student-b'].map((name) => incarnationOf(run, name))));
  });

  test('the peers of a mutual stage, each on the worker that was started for it; the missing one is named, and a spare one waits', async () => {
    const { coordinator, endpoint, run } = await startCoordinator(room, mutualRecipe({ epochs: 3 }));
    const big = startWorker(room, endpoint, 'student-a', '--peer', 'big');
    await coordinator.said('worker-joined', ({ worker }) => worker === 'student-a');
    const spare = startWorker(room, endpoint, 'student-b', '--peer', 'big');
    await coordinator.said('waiting', ({ missing }) => missing.join() === 'pair.small');
    const wrong = startWorker(room, endpoint, 'student-d', '--peer', 'bgi');
    expect(await wrong.exit()).toBe(2);
    expect(wrong.stderr).toContain('did you mean "big"? The peers are big, small');
    const small = startWorker(room, endpoint, 'student-c', '--peer', 'small');
    for (const process of [coordinator, big, spare, small]) expect(await process.exit(), process.command).toBe(0);
    expect(big.stderr).toContain('worker student-a: trains pair.big, column 1, with small\n');
    expect(big.stderr).toMatch(/worker student-a: the run is over for this worker \(done\): all stages are done\n$/);

    expect(await auditRun(run)).toEqual({ 'pair.big': [], 'pair.small': [] });
    const trained = ['student-a', 'student-c'].map((name) => incarnationOf(run, name));
    const commits = (await journalOf(run, 'commit')).filter(({ stage }) => stage === 'pair');
    for (const { contributors } of commits) expect(contributors).toEqual(trained);
  });

  test('a worker does not leave this machine without --insecure', async () => {
    const worker = room.start('worker', '--role', 'student', '--coordinator', 'tcp://192.0.2.1:7700');
    expect(await worker.exit()).toBe(2);
    expect(worker.stderr).toContain('transport.insecure');
    expect(worker.stderr).toContain('--insecure');
    expect(room.processes()).toEqual([]);
  });
});

function incarnationOf(run: string, worker: string): unknown {
  return loggedOnce(run, 'worker.welcomed', { worker }).incarnation;
}
