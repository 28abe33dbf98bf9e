/** The place where a run goes on, where finished stages were opened again. */

import { expect, test } from 'vitest';
import { recover } from '../../../coordinator/core/recovery.js';
import type { CheckpointPart, JournalRecord } from '../../../coordinator/core/types.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';

const term = asTerm(1);
const HASH = 'ab'.repeat(32);

const commit = (stage: string, round: number): JournalRecord => ({
  ...{ type: 'commit', term, stage, round: asRoundId(round), contributors: [asIncarnation(1)], hashes: { model: HASH } },
  ...{ ranges: [{ start: 0, end: 8 }], committed: 8, lockstep: {}, losses: {} },
});
const done = (stage: string, round: number | null): JournalRecord => ({
  type: 'stage-done',
  term,
  result: {
    ...{ stage, tests: [], checkpoint: round === null ? null : { round, hashes: { model: HASH } } },
    ...{ best: {}, commits: 1, samples: 8, skipped: 0, waited: {}, late: {}, losses: {}, seconds: 1 },
  },
});
const reopen = (stage: string): JournalRecord => ({ type: 'reopen', term, stage });
const part = (stage: string, round: number): CheckpointPart => ({
  ...{ state: { stage, peer: 'model', round: asRoundId(round) }, term, ranges: [{ start: 0, end: 8 }], hash: HASH },
});

const FINISHED = [commit('base', 1), done('base', 1), commit('other', 2), done('other', 2), done('test', null), done('out', null)];
const PARTS = [part('base', 1), part('other', 2)];

test('a run that is done has no stage under way', () => {
  expect(recover(FINISHED, PARTS)).toMatchObject({ stage: null, checkpoints: [], round: 2 });
});

test('a stage that was opened again goes on from its own checkpoint, whatever was opened with it', () => {
  for (const opened of [
    ['base', 'test', 'out'],
    ['out', 'test', 'base'],
  ]) {
    const left = recover([...FINISHED, ...opened.map(reopen)], PARTS);
    expect(left.done.map(({ stage }) => stage)).toEqual(['other']);
    expect(left).toMatchObject({ stage: 'base', checkpoints: [{ stage: 'base', round: 1 }] });
  }
});

test('it is done again once it says so', () => {
  const left = recover([...FINISHED, reopen('base'), commit('base', 3), done('base', 3)], [...PARTS, part('base', 3)]);
  expect(left.stage).toBeNull();
  expect(left.done.map(({ stage, checkpoint }) => [stage, checkpoint?.round])).toEqual([
    ['other', 2],
    ['test', undefined],
    ['out', undefined],
    ['base', 3],
  ]);
});

test('stored checkpoints that are not whole any more are named, until the stage has gone back past them', () => {
  const stored = (round: number): JournalRecord => ({ type: 'checkpoint', term, stage: 'base', round, hashes: { model: HASH } });
  const records = [commit('base', 1), stored(1), commit('base', 2), stored(2), commit('base', 3), commit('base', 4), stored(4)];
  expect(recover(records, [part('base', 1), part('base', 4)]).lost).toEqual([]);
  expect(recover(records, [part('base', 1)]).lost).toEqual([2, 4]);
  const back: JournalRecord = { type: 'rollback', term, stage: 'base', round: null, committed: 0 };
  expect(recover([...records, back], []).lost).toEqual([]);
});
