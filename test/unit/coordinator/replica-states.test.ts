/** Checkpoints have the optimiser's state of each replica, up to a number of them. */

import { expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { TwoPeerRun } from '../../support/two-peer-run.js';

/** A round of 4 samples for each of the columns; students are seated column by column. */
function commitRound(run: TwoPeerRun, columns: number, contained: number): void {
  for (let i = 1; i <= 2 * columns; i++) run.trained(i, 4);
  for (let i = 1; i <= 2 * columns; i++) run.averaged(i, { peer: i % 2 === 1 ? 'big' : 'small', contained });
}

test('the first column saves each peer, and fetches from the other columns, which keep their state at hand', () => {
  const run = new TwoPeerRun(4, { replicas: 2, samples: 16 });
  run.event({ type: 'checkpoint' });
  commitRound(run, 2, 8);
  const other = (student: number) => ({ column: 1, incarnation: student, endpoint: `inproc://${student}` });
  expect(run.sent('coordinator.save').map(([student, { state, column, others }]) => [student, state.peer, column, others])).toEqual([
    [1, 'big', 0, [other(3)]],
    [3, 'big', 1, null],
    [2, 'small', 0, [other(4)]],
    [4, 'small', 1, null],
  ]);
});

test('a replica that is gone is not asked, and the next one saves where it was the first', () => {
  const run = new TwoPeerRun(4, { replicas: 2, samples: 16 });
  commitRound(run, 2, 8);
  run.event({ type: 'checkpoint' });
  run.lost(1);
  run.trained(3, 4);
  run.trained(4, 4);
  const big = run.sent('coordinator.save').filter(([, { state }]) => state.peer === 'big');
  expect(big.map(([student, { column, others }]) => [student, column, others])).toEqual([[3, 0, []]]);
});

test('of more replicas than a checkpoint may have, the first are in it, and people hear that once', () => {
  const columns = LIMITS.replicaStates + 2;
  const run = new TwoPeerRun(2 * columns, { replicas: columns, samples: 12 * columns });
  const saveRound = (contained: number) => {
    run.event({ type: 'checkpoint' });
    commitRound(run, columns, contained);
    const big = run.sent('coordinator.save').filter(([, { state }]) => state.peer === 'big');
    expect(big.map(([student]) => student)).toEqual(Array.from({ length: LIMITS.replicaStates }, (_, column) => 2 * column + 1));
    expect(big[0]?.[1].others?.map(({ column }) => column)).toEqual(Array.from({ length: LIMITS.replicaStates - 1 }, (_, i) => i + 1));
    const round = run.checkpointRound ?? 0;
    run.stored('big', round, contained, LIMITS.replicaStates);
    expect(run.logged).toContain('checkpoint.fewerReplicas');
    run.stored('small', round, contained);
  };
  saveRound(4 * columns);
  saveRound(8 * columns);
  const { replicaStates: most } = LIMITS;
  expect(run.reports.filter(({ type }) => type === 'fewer-replicas')).toEqual([
    { type: 'fewer-replicas', stage: 'base', peer: 'big', slotsOf: most, replicas: columns, most },
  ]);
  expect(run.checkpoints).toHaveLength(2);
});
