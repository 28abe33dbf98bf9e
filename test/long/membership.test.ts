/** Workers that are started by hand come late and leave while a stage trains, and their coordinator is killed. */

import { describe, expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { journalOf, logged, loggedOnce } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';
import { startCoordinator, startWorker } from '../support/start-run.js';

const room = useRunRoom();

describe('workers started by hand', () => {
  test('a student that joins late takes part, and one that is told to leave in mid-stage goes without a trace', async () => {
    const { coordinator, endpoint, run } = await startCoordinator(room, smallRecipe({ students: 1 }));
    const early = startWorker(room, endpoint, 'student-early');
    await coordinator.said('progress', ({ stage }) => stage === 'teacher');
    const late = startWorker(room, endpoint, 'student-late');
    await coordinator.said('worker-joined', ({ worker }) => worker === 'student-late');
    // The stage that it takes part in for certain: it cannot begin before.
    const teacher = startWorker(room, endpoint, 'teacher-a');
    await coordinator.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 10);
    process.kill(room.agent('student-early'), 'SIGTERM');
    expect(await early.exit()).toBe(0);
    for (const process of [coordinator, late, teacher]) expect(await process.exit(), process.command).toBe(0);

    expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
    const commits = (await journalOf(run, 'commit')).filter(({ stage }) => stage === 'student');
    const [first, last] = [commits.at(0), commits.at(-1)];
    expect(first?.contributors).toEqual([incarnationOf(run, 'student-early'), incarnationOf(run, 'student-late')]);
    expect(last?.contributors, 'the early one left in mid-stage').toEqual([incarnationOf(run, 'student-late')]);
    expect(loggedOnce(run, 'worker.gone', { worker: 'student-early' })).toMatchObject({ reason: 'it left' });
    // Nobody was taken for dead, so nothing had to be trained again.
    expect(await journalOf(run, 'rollback')).toEqual([]);
  });

  test('the only student is told to leave in mid-round: what it has trained is kept, and the next one goes on from there', async () => {
    // Rounds of half an epoch: one that is given up would show.
    const { coordinator, endpoint, run } = await startCoordinator(room, smallRecipe({ students: 1, every: 20 }));
    const first = startWorker(room, endpoint, 'student-first');
    const teacher = startWorker(room, endpoint, 'teacher-a');
    await coordinator.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 10);
    process.kill(room.agent('student-first'), 'SIGTERM');
    expect(await first.exit()).toBe(0);
    const commits = await journalOf(run, 'commit');
    const second = startWorker(room, endpoint, 'student-second');
    for (const process of [coordinator, second, teacher]) expect(await process.exit(), process.command).toBe(0);

    expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
    expect(await journalOf(run, 'rollback')).toEqual([]);
    const [next] = (await journalOf(run, 'commit')).slice(commits.length);
    expect(next?.contributors).toEqual([incarnationOf(run, 'student-second')]);
    expect(next?.ranges[0]?.start, 'it goes on where the first one stopped').toBe(commits.at(-1)?.committed);
  });

  test('a coordinator is killed and started again: the same workers go on with it', async () => {
    const { coordinator, endpoint, run } = await startCoordinator(room, smallRecipe());
    const workers = ['teacher-a', 'student-a', 'student-b'].map((name) => startWorker(room, endpoint, name));
    await coordinator.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 3);
    process.kill(room.coordinator(), 'SIGKILL');
    expect(await coordinator.exit()).toBe(75);
    expect(coordinator.stderr).toContain('stillhouse coordinator --resume');

    const again = room.start('coordinator', '--resume', run, '--listen', endpoint, '--json');
    for (const process of [again, ...workers]) expect(await process.exit(), process.command).toBe(0);
    expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
    const agents = logged(run, 'worker.welcomed').map(({ term, worker, pid }) => ({ term, who: `${worker} ${pid}` }));
    const of = (term: number): string[] => agents.filter((agent) => agent.term === term).map(({ who }) => who);
    expect(of(2).sort()).toEqual(of(1).sort());
  });
});

function incarnationOf(run: string, worker: string): unknown {
  return loggedOnce(run, 'worker.welcomed', { worker }).incarnation;
}
