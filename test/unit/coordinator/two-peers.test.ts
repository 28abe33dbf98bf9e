/**
 * A stage of two peers through the whole core: rows average apart, columns are withdrawn whole, peers are committed, saved
 * and recovered together.
 */

import { beforeEach, describe, expect, test } from 'vitest';
import { recover } from '../../../coordinator/core/recovery.js';
import { present } from '../../../src/base/assert.js';
import { asTerm } from '../../../src/base/ids.js';
import { LIMITS } from '../../../src/base/limits.js';
import { hashOf, TwoPeerRun } from '../../support/two-peer-run.js';

const term = asTerm(1);

let run: TwoPeerRun;
beforeEach(() => {
  run = new TwoPeerRun(4);
});

/** A round up to its commit, after which the parameters contain so many samples. */
function commitRound(contained: number): void {
  for (let i = 1; i <= 4; i++) run.trained(i, 4);
  for (let i = 1; i <= 4; i++) run.averaged(i, { peer: i % 2 === 1 ? 'big' : 'small', contained });
}

describe('two peers in two columns', () => {
  test('the cells of a column are assigned the same ranges of different peers', () => {
    const assigned = run.sent('coordinator.assign').map(([student, { base, work }]) => [student, base.state.peer, work]);
    const work = (column: number, start: number, other: { readonly peer: string; readonly incarnation: number }) => ({
      kind: 'train',
      column,
      replicas: 2,
      ranges: [{ start, end: start + 4 }],
      roundSamples: 8,
      others: [{ ...other, endpoint: `inproc://${other.incarnation}` }],
      row: [],
      measures: false,
    });
    expect(assigned).toEqual([
      [1, 'big', work(0, 0, { peer: 'small', incarnation: 2 })],
      [2, 'small', work(0, 0, { peer: 'big', incarnation: 1 })],
      [3, 'big', work(1, 4, { peer: 'small', incarnation: 4 })],
      [4, 'small', work(1, 4, { peer: 'big', incarnation: 3 })],
    ]);
  });

  test('the first column measures its gradients in the last round before a test, and the test tells them', () => {
    const measuring = () =>
      run.sent('coordinator.assign').flatMap(([student, { work }]) => (work.kind === 'train' && work.measures ? [student] : []));
    expect(measuring()).toEqual([]);
    commitRound(8);
    expect(measuring()).toEqual([1, 2]);
    const terms = { labels: 2, hinton: 4 };
    run.trained(1, 4, { terms, gradients: { labels: 3, hinton: 1 } });
    for (const student of [2, 3, 4]) run.trained(student, 4, { terms });
    for (let i = 1; i <= 4; i++) run.averaged(i, { peer: i % 2 === 1 ? 'big' : 'small', contained: 16 });
    for (let i = 1; i <= 4; i++) run.evaluated(i, 1, { [i % 2 === 1 ? 'small' : 'big']: 1 });
    const told = run.reports.flatMap((report) =>
      report.type === 'evaluated' ? [[report.evaluation.peer, report.evaluation.training]] : [],
    );
    expect(told).toEqual([
      // In the first of the two rounds the students told nothing of their losses.
      ['big', { terms: { labels: { loss: 0.25, share: 0.75 }, hinton: { loss: 0.5, share: 0.25 } }, sameAsTeacher: null }],
      ['small', { terms: { labels: { loss: 0.25, share: null }, hinton: { loss: 0.5, share: null } }, sameAsTeacher: null }],
    ]);
  });

  test('the cell of each student is reported once, and again when it changes', () => {
    const seats = () =>
      run.reports.splice(0).flatMap((report) => (report.type === 'worker-seated' ? [[report.worker, report.peer, report.column]] : []));
    expect(seats()).toEqual([['s1', 'big', 1], ['s2', 'small', 1], ['s3', 'big', 2], ['s4', 'small', 2]]); // biome-ignore format: a table
    commitRound(8);
    expect(seats()).toEqual([]);
    run.lost(2);
    run.join(5);
    for (const student of [3, 4]) run.trained(student, 4);
    // The column that still holds the parameters is the first now.
    expect(seats()).toEqual([['s3', 'big', 1], ['s4', 'small', 1], ['s1', 'big', 2], ['s5', 'small', 2]]); // biome-ignore format: a table
  });

  test('a student that lost its cell and takes it again is reported again', () => {
    const seated = () => run.reports.splice(0).flatMap((report) => (report.type === 'worker-seated' ? [report.worker] : []));
    expect(seated()).toEqual(['s1', 's2', 's3', 's4']);
    run.lost(4);
    run.trained(1, 4);
    run.trained(2, 4);
    expect(seated()).toEqual([]);
    run.join(5);
    run.trained(1, 4);
    run.trained(2, 4);
    expect(seated()).toEqual(['s3', 's5']);
  });

  test('a student without a cell is told once, and again when it has lost its cell', () => {
    const spare = () =>
      run.reports.splice(0).flatMap((report) => (report.type === 'worker-spare' ? [[report.worker, report.seats, report.isFull]] : []));
    run.join(5);
    commitRound(8);
    expect(spare()).toEqual([['s5', 4, true]]);
  });

  test('each row averages for itself, and the peers are committed together in one line', () => {
    for (let i = 1; i <= 4; i++) run.trained(i, 4);
    const orders = run.sent('coordinator.average').map(([student, { state, contributors }]) => {
      return [student, state.peer, contributors.map(({ incarnation, samples }) => [incarnation, samples])];
    });
    const row = (...students: number[]) => students.map((student) => [student, 4]);
    expect(orders).toEqual([[1, 'big', row(1, 3)], [3, 'big', row(1, 3)], [2, 'small', row(2, 4)], [4, 'small', row(2, 4)]]); // biome-ignore format: a table
    for (const student of [1, 3]) run.averaged(student, { peer: 'big', contained: 8 });
    expect(run.records.filter(({ type }) => type === 'commit')).toEqual([]);
    for (const student of [2, 4]) run.averaged(student, { peer: 'small', contained: 8 });
    expect(run.records.filter(({ type }) => type === 'commit')).toEqual([
      {
        type: 'commit',
        term,
        stage: 'base',
        round: 1,
        contributors: [1, 2, 3, 4],
        ranges: [{ start: 0, end: 8 }],
        hashes: { big: hashOf('big', 1), small: hashOf('small', 1) },
        committed: 8,
        lockstep: { big: { trainMs: 2, waitedMs: 0, late: 0 }, small: { trainMs: 2, waitedMs: 0, late: 0 } },
        losses: { big: 0.25, small: 0.25 },
      },
    ]);
    expect(run.sent('coordinator.commit').map(([student, { state, hash }]) => [student, state.peer, hash])).toEqual(
      ['big', 'small', 'big', 'small'].map((peer, i) => [i + 1, peer, hashOf(peer, 1)]),
    );
    const sources = run
      .sent('coordinator.assign')
      .map(([student, { base }]) => [student, base.sources.map(({ incarnation }) => incarnation)]);
    expect(sources).toEqual([
      [1, [1, 3]],
      [2, [2, 4]],
      [3, [1, 3]],
      [4, [2, 4]],
    ]);
  });

  test('a cell that is lost takes its column along; the other column is committed as it was trained, peer by peer', () => {
    run.lost(2);
    expect(run.abandoned).toEqual([[1, 's2 (base.small): killed']]);
    expect(run.ledger.lent).toEqual([{ start: 4, end: 8 }]);
    run.trained(3, 4);
    run.trained(4, 4);
    expect(run.records.at(-1)).toMatchObject({
      contributors: [3, 4],
      ranges: [{ start: 4, end: 8 }],
      hashes: { big: null, small: null },
      committed: 4,
    });
  });

  test('a cell that is lost while both rows average ends the attempt of both', () => {
    for (let i = 1; i <= 4; i++) run.trained(i, 4);
    for (const student of [1, 3]) run.averaged(student, { peer: 'big', contained: 8 });
    run.lost(4);
    expect(run.records.at(-1)).toMatchObject({ contributors: [1, 2], ranges: [{ start: 0, end: 4 }], hashes: { big: null, small: null } });
  });

  test('a column whose cells say that they stopped at different steps is withdrawn: one of them is at fault, and nobody knows which', () => {
    const alone = new TwoPeerRun(2, { every: 2 });
    alone.event({ type: 'stop', reason: 'a test' });
    expect(alone.sent('coordinator.conclude').map(([student]) => student)).toEqual([1, 2]);
    alone.trained(1, 4);
    alone.trained(2, 8);
    expect(alone.sent('coordinator.stop').filter(([, { outcome }]) => outcome === 'failed')).toEqual([]);
    expect(alone.abandoned).toEqual([
      [1, 'the cells of its column stopped at different steps'],
      [2, 'the cells of its column stopped at different steps'],
    ]);
    expect(alone.ledger.contained).toEqual([]);
  });

  test('a column that is cut short is committed as far as both peers have trained', () => {
    const alone = new TwoPeerRun(2, { every: 2 });
    alone.event({ type: 'stop', reason: 'a test' });
    alone.trained(1, 4);
    alone.trained(2, 4);
    expect(alone.records.at(-1)).toMatchObject({ ranges: [{ start: 0, end: 4 }], hashes: { big: null, small: null }, committed: 4 });
    expect(alone.sent('coordinator.save').map(([student, { state }]) => [student, state.peer])).toEqual([
      [1, 'big'],
      [2, 'small'],
    ]);
  });

  test('a cell that the other cell of its column cannot reach takes its column along', () => {
    run.unreachable(1, 2);
    expect(run.abandoned).toEqual([
      [1, 's2 (base.small): a cell that exchanges with it could not reach it'],
      [2, 'a cell that exchanges with it could not reach it'],
    ]);
    expect(run.logged).toContain('round.cellUnreachable');
    expect(run.ledger.pending).toEqual([
      { start: 0, end: 4 },
      { start: 8, end: 16 },
    ]);
    run.unreachable(1, 2);
    expect(run.abandoned).toEqual([]);
    for (const stopped of [[], [[2, { message: expect.stringMatching(/^other students cannot reach it at inproc:..2\. /) }]]]) {
      for (const student of [3, 4]) run.trained(student, 4);
      run.unreachable(1, 2);
      expect(run.sent('coordinator.stop')).toMatchObject(stopped);
    }
  });

  test('a reason that is told to others fits into a message', () => {
    run.lost(2, 'x'.repeat(LIMITS.textLength));
    expect(run.abandoned).toEqual([[1, `s2 (base.small): ${'x'.repeat(LIMITS.textLength - 's2 (base.small): '.length)}`]]);
  });

  test('at a deadline the late cells hear that they are late, and the others that another cell is', () => {
    const slow = new TwoPeerRun(4, { deadlineMs: 1_000 });
    for (const student of [1, 3, 4]) slow.trained(student, 4);
    slow.nowMs = 1_000;
    slow.event({ type: 'tick' });
    expect(slow.abandoned).toEqual([
      [1, 'a cell of its column did not train in time'],
      [2, 'it did not train in time'],
    ]);
    for (const student of [1, 2, 3, 4]) slow.trained(student, 4);
    for (const student of [1, 2, 4]) slow.averaged(student, { peer: student === 1 ? 'big' : 'small', contained: 12 });
    slow.nowMs = 2_000;
    slow.event({ type: 'tick' });
    const [first, second] = slow.abandoned;
    expect(first?.[1]).toBe('it did not average in time');
    expect(second?.[1]).toBe('a cell of its column did not average in time');
  });

  test('peers that are lost with their only holder take the stage back', () => {
    const alone = new TwoPeerRun(2);
    alone.trained(1, 4);
    alone.trained(2, 4);
    alone.lost(2);
    expect(alone.records.at(-1)).toMatchObject({ type: 'rollback', round: null, committed: 0 });
    expect(alone.ledger.contained).toEqual([]);
    const message =
      'the only column was broken up, and with it the parameters of base.big and base.small are gone, so the stage has gone back to them as they were stored';
    expect(alone.reports).toContainEqual(expect.objectContaining({ type: 'trouble', message }));
    expect(alone.reports).toContainEqual(expect.objectContaining({ type: 'worker-gone', reason: 'killed' }));
  });
});

describe('an evaluation in a stage of two peers', () => {
  test('is by columns, of both peers together, each by those who hold it; then the stage is over', () => {
    commitRound(8);
    commitRound(16);
    const assigned = () => run.sent('coordinator.assign').map(([student, { base, work }]) => [student, base.state.peer, work]);
    const rows = (start: number, peer: string, incarnation: number) => ({
      ...{ kind: 'evaluate', split: 'test', start, end: start + 1 },
      others: [{ peer, incarnation, endpoint: `inproc://${incarnation}` }],
    });
    expect(assigned()).toEqual([
      [1, 'big', rows(0, 'small', 2)],
      [2, 'small', rows(0, 'big', 1)],
      [3, 'big', rows(1, 'small', 4)],
      [4, 'small', rows(1, 'big', 3)],
    ]);
    run.evaluated(1, 1, { small: 1 });
    run.evaluated(2, 0, { big: 1 });
    run.evaluated(3, 1, { small: 0 });
    run.evaluated(4, 0, { big: 0 });
    const evaluations = run.records.flatMap((record) => (record.type === 'evaluation' ? [record.evaluation] : []));
    expect(evaluations).toMatchObject([
      { peer: 'big', epoch: 1, accuracy: 1, agreement: { small: 0.5 } },
      { peer: 'small', epoch: 1, accuracy: 0, agreement: { big: 0.5 } },
    ]);
    expect(assigned()).toEqual([]);
    run.stored('big', 2, 16);
    run.stored('small', 2, 16);
    const results = run.records.flatMap((record) => (record.type === 'stage-done' ? [record.result.tests] : []));
    expect(results).toMatchObject([[{ last: { peer: 'big', accuracy: 1 } }, { last: { peer: 'small', accuracy: 0 } }]]);
    expect(run.summary).toMatchObject({
      accuracy: { 'base.big': { last: 1 }, 'base.small': { last: 0 } },
      agreement: { 'base.big': { small: 0.5 }, 'base.small': { big: 0.5 } },
      models: { net: { parameters: 40 }, tiny: { parameters: 40 } },
    });
  });

  test('ends with the loss of a member, and each of the others hears who that was', () => {
    commitRound(8);
    commitRound(16);
    run.lost(2);
    expect(run.abandoned).toEqual([1, 3, 4].map((student) => [student, 's2 (base.small): killed']));
    run.event({ type: 'stop', reason: 'a person asked' });
    expect(run.abandoned).toEqual([1, 4].map((student) => [student, 'a person asked']));
  });

  test('that is late tells those whose part is done that another is late', () => {
    const slow = new TwoPeerRun(2, { samples: 4, rows: 1, deadlineMs: 1_000 });
    for (const student of [1, 2]) slow.trained(student, 4);
    slow.evaluated(1, 1, { small: 1 });
    slow.nowMs = 1_000;
    slow.event({ type: 'tick' });
    expect(slow.abandoned).toEqual([
      [1, 'another student did not evaluate in time'],
      [2, 'it did not evaluate in time'],
    ]);
  });

  test('a cell that its column cannot reach is charged, and in the third evaluation in a row sent away', () => {
    const alone = new TwoPeerRun(2, { samples: 4 });
    alone.trained(1, 4);
    alone.trained(2, 4);
    for (const stopped of [[], [], [2]]) {
      expect(alone.sent('coordinator.assign').map(([student, { work }]) => [student, work.kind])).toEqual([
        [1, 'evaluate'],
        [2, 'evaluate'],
      ]);
      alone.unreachable(1, 2);
      expect(alone.logged).toContain('round.cellUnreachable');
      expect(alone.sent('coordinator.stop').map(([student]) => student)).toEqual(stopped);
    }
    const reason = expect.stringMatching(/^other students cannot reach it at inproc:..2\. /);
    expect(alone.reports).toContainEqual(expect.objectContaining({ type: 'worker-gone', worker: 's2', reason }));
  });

  test('on a split without a row is a broken promise of the plan, and does not wait for nobody', () => {
    const alone = new TwoPeerRun(2, { samples: 4, rows: 0 });
    alone.trained(1, 4);
    expect(() => alone.trained(2, 4)).toThrow('stage base: the split test has no row to evaluate on');
  });
});

test('the time left is reported once the present students were measured for long enough', () => {
  const pair = new TwoPeerRun(2, { samples: 800 });
  const commitAt = (nowMs: number) => {
    pair.nowMs = nowMs;
    for (const student of [1, 2]) pair.trained(student, 4);
    return pair.reports.flatMap((report) => (report.type === 'progress' ? [report.secondsLeft] : [])).at(-1);
  };
  expect([100, 300, 2_000, 2_100].map(commitAt)).toEqual([null, null, null, 784 / 6]);
  // Two more students: their first rounds are slow, and say nothing of the rest.
  for (const student of [3, 4]) pair.join(student);
  for (const student of [1, 2]) pair.trained(student, 4);
  pair.nowMs = 2_200;
  for (const student of [1, 2, 3, 4]) pair.trained(student, 4);
  for (const [student, peer] of [[1, 'big'], [2, 'small'], [3, 'big'], [4, 'small']] as const) pair.averaged(student, { peer, contained: 28 }); // biome-ignore format: a table
  expect(pair.reports.findLast((report) => report.type === 'progress')).toMatchObject({ committed: 28, secondsLeft: null });
});

test('the training loss is reported for each peer, and is in the summary', () => {
  const pair = new TwoPeerRun(2, { samples: 4, rows: 1 });
  pair.trained(1, 4, { lossSum: 2 });
  pair.trained(2, 4, { lossSum: 6 });
  const progress = pair.reports.flatMap((report) => (report.type === 'progress' ? [report] : []));
  expect(progress).toMatchObject([{ loss: 1, losses: { big: 0.5, small: 1.5 } }]);
  pair.evaluated(1, 1, { small: 1 });
  pair.evaluated(2, 1, { big: 1 });
  for (const peer of ['big', 'small']) pair.stored(peer, 1, 4);
  expect(pair.summary?.trainingLoss).toEqual({ 'base.big': 0.5, 'base.small': 1.5 });
  expect(Object.keys(pair.summary?.testLoss ?? {})).toEqual(['base.big', 'base.small']);
});

describe('the cost of lockstep', () => {
  test('is of all terms: late predictions and waits from before a restart count', () => {
    const first = new TwoPeerRun(2, { samples: 8 });
    first.trained(1, 4, { trainMs: 10, waitedMs: 1, late: { small: 2 } });
    first.trained(2, 4, { trainMs: 10, waitedMs: 5 });
    const left = recover(first.records, []);
    expect(left.lockstep).toEqual({ big: { trainMs: 10, waitedMs: 1, late: 0 }, small: { trainMs: 10, waitedMs: 5, late: 2 } });

    const second = new TwoPeerRun(2, { samples: 8, rows: 1, left });
    for (const late of [1, 0]) {
      second.trained(1, 4, { trainMs: 10, waitedMs: 1, late: { small: late } });
      second.trained(2, 4, { trainMs: 10, waitedMs: 2 });
    }
    second.evaluated(1, 1, { small: 1 });
    second.evaluated(2, 1, { big: 1 });
    const round = present(second.checkpointRound, 'a checkpoint that is asked for');
    for (const peer of ['big', 'small']) second.stored(peer, round, 8);
    expect(second.summary).toMatchObject({ late: { 'base.small': 3 }, waited: { 'base.big': 0.1, 'base.small': 0.3 } });
  });
});
