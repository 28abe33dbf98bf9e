/** Which evaluations are the best, which of them are kept, and what a run says when the best is not. */

import { describe, expect, test } from 'vitest';
import { bestKeptOf, bestOf, isBestUnsaved, keptBest, lostBest } from '../../../coordinator/core/best.js';
import { recover } from '../../../coordinator/core/recovery.js';
import { startRun } from '../../../coordinator/core/run.js';
import { DEFAULT_TIMING } from '../../../coordinator/core/timing.js';
import type { CheckpointInfo, CheckpointPart, JournalRecord } from '../../../coordinator/core/types.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { Evaluation, Report } from '../../../src/protocol/report.js';
import { corePlan } from '../../support/core-plan.js';
import { ACCURACY_ALONE } from '../../support/no-facts.js';

const evaluation = (round: number, accuracy: number, peer = 'model'): Evaluation => ({
  ...{ peer, epoch: round, round, accuracy, loss: 1, millisecondsPerImage: 1, parameters: 10, agreement: {}, ...ACCURACY_ALONE },
});
const hashOf = (round: number): string => String(round).repeat(64);
const checkpoint = (round: number, peers = ['model']): CheckpointInfo => ({
  ...{ stage: 'base', round, ranges: [{ start: 0, end: 8 * round }] },
  hashes: Object.fromEntries(peers.map((peer) => [peer, hashOf(round)])),
});
const roundsOf = (best: ReadonlyMap<string, Evaluation>) => Object.fromEntries([...best].map(([peer, { round }]) => [peer, round]));

describe('the best', () => {
  const evaluations = [evaluation(1, 0.5), evaluation(2, 0.8), evaluation(3, 0.8), evaluation(4, 0.7)];

  test('is the first of equal ones', () => {
    expect(roundsOf(bestOf({ evaluations }))).toEqual({ model: 2 });
  });

  test('is each peer its own', () => {
    const both = [evaluation(1, 0.5, 'small'), evaluation(1, 0.6, 'big'), evaluation(2, 0.6, 'small'), evaluation(2, 0.4, 'big')];
    const stage = { evaluations: both, checkpoints: [1, 2].map((round) => checkpoint(round, ['small', 'big'])) };
    expect(roundsOf(keptBest(stage))).toEqual({ small: 2, big: 1 });
    expect(bestKeptOf(stage)).toEqual({
      small: { round: 2, epoch: 2, accuracy: 0.6, hash: hashOf(2) },
      big: { round: 1, epoch: 1, accuracy: 0.6, hash: hashOf(1) },
    });
  });

  test('of what is kept is the best with a checkpoint; the one without is lost', () => {
    const stage = { evaluations, checkpoints: [1, 4].map((round) => checkpoint(round)) };
    expect(roundsOf(keptBest(stage))).toEqual({ model: 4 });
    expect(lostBest(stage)).toEqual([{ lost: evaluation(2, 0.8), kept: evaluation(4, 0.7) }]);
    expect(lostBest({ ...stage, checkpoints: [] })).toEqual([{ lost: evaluation(2, 0.8), kept: null }]);
    expect(lostBest({ ...stage, checkpoints: [checkpoint(2)] })).toEqual([]);
  });

  test.each([
    ['the best, and not stored', 2, [1], true],
    ['the best, and stored', 2, [1, 2], false],
    ['as good as an earlier one', 3, [2], false],
    ['worse', 4, [2], false],
    ['the initial one', 0, [], false],
  ])('a base that is %s', (_, round, stored, isUnsaved) => {
    const known = evaluations.filter((one) => one.round <= round);
    const stage = { evaluations: known, checkpoints: stored.map((one) => checkpoint(one)), base: { round } };
    expect(isBestUnsaved(stage)).toBe(isUnsaved);
  });
});

describe('a run that goes on', () => {
  const term = asTerm(1);
  const commit = (round: number): JournalRecord => ({
    ...{ type: 'commit', term, stage: 'base', round: asRoundId(round), contributors: [asIncarnation(1)], hashes: { model: hashOf(round) } },
    ...{ ranges: [{ start: 8 * round - 8, end: 8 * round }], committed: 8 * round, lockstep: {}, losses: {} },
  });
  const evaluated = (round: number, accuracy: number): JournalRecord => ({
    ...{ type: 'evaluation', term, stage: 'base', evaluation: evaluation(round, accuracy) },
  });
  const part = (round: number): CheckpointPart => ({
    ...{ state: { stage: 'base', peer: 'model', round }, term, ranges: [{ start: 0, end: 8 * round }], hash: hashOf(round) },
  });
  const records = [1, 2, 3, 4].flatMap((round) => [commit(round), evaluated(round, round === 2 ? 0.9 : 0.5)]);
  const plan = corePlan({
    ...{ run: 'r', size: 8, rows: 2, students: 1, isTaught: false, exported: null, timing: DEFAULT_TIMING },
    training: { epochs: 9, batch: 8, every: 1, evaluateEvery: 1, checkpointEvery: 1 },
  });
  const startedOn = (parts: readonly CheckpointPart[], journal = records) => {
    const { state, effects } = startRun(plan, recover(journal, parts), 0);
    const reports = effects.flatMap((effect): Report[] => (effect.type === 'report' ? [effect.report] : []));
    return { stage: state.stage, lost: reports.filter(({ type }) => type === 'best-lost') };
  };

  test('has its best again', () => {
    const { stage, lost } = startedOn([2, 3, 4].map(part));
    expect(stage?.checkpoints.map(({ round }) => round)).toEqual([2, 3, 4]);
    expect(lost).toEqual([]);
  });

  test('says that its best is damaged, and which is the best now', () => {
    const kept = { epoch: 3, accuracy: 0.5 };
    const { lost } = startedOn([3, 4].map(part));
    expect(lost).toEqual([{ type: 'best-lost', stage: 'base', peer: 'model', epoch: 2, accuracy: 0.9, kept }]);
  });

  test('an evaluation after the checkpoint that it goes back to does not count', () => {
    const { stage, lost } = startedOn([part(1)]);
    expect(stage?.evaluations.map(({ round }) => round)).toEqual([1]);
    expect(lost).toEqual([]);
  });

  test('a stage that was opened again keeps its best', () => {
    const result = { ...stageDone(), checkpoint: { round: 4, hashes: { model: hashOf(4) } } };
    const reopened: JournalRecord[] = [...records, { type: 'stage-done', term, result }, { type: 'reopen', term, stage: 'base' }];
    const { stage, lost } = startedOn([2, 3, 4].map(part), reopened);
    expect(stage === null ? null : roundsOf(keptBest(stage))).toEqual({ model: 2 });
    expect(lost).toEqual([]);
  });

  const stageDone = () => ({
    ...{ stage: 'base', tests: [], best: {}, commits: 4, samples: 32, skipped: 0, waited: {}, late: {}, losses: {}, seconds: 1 },
  });
});
