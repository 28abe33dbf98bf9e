/** The checkpoints of a stage of two peers through the whole core: they are whole, and gone back to, with the parts of both peers alone. */

import { beforeEach, describe, expect, test } from 'vitest';
import { recover } from '../../../coordinator/core/recovery.js';
import { DEFAULT_TIMING } from '../../../coordinator/core/timing.js';
import type { CheckpointPart, JournalRecord } from '../../../coordinator/core/types.js';
import { asTerm } from '../../../src/base/ids.js';
import { hashOf, TwoPeerRun } from '../../support/two-peer-run.js';

let run: TwoPeerRun;
beforeEach(() => {
  run = new TwoPeerRun(4);
});

/** A round up to its commit, after which the parameters contain so many samples. */
function commitRound(contained: number): void {
  for (let i = 1; i <= 4; i++) run.trained(i, 4);
  for (let i = 1; i <= 4; i++) run.averaged(i, { peer: i % 2 === 1 ? 'big' : 'small', contained });
}

describe('a checkpoint of two peers', () => {
  test('is whole when both parts are stored, and not before', () => {
    commitRound(8);
    run.event({ type: 'stop', reason: 'a test' });
    expect(
      run
        .sent('coordinator.save')
        .filter(([, { others }]) => others !== null)
        .map(([student, { state }]) => [student, state.peer]),
    ).toEqual([
      [1, 'big'],
      [2, 'small'],
    ]);
    run.stored('small', 1, 8);
    expect(run.checkpoints).toEqual([]);
    run.stored('big', 1, 8);
    expect(run.checkpoints).toMatchObject([{ stage: 'base', round: 1, hashes: { big: hashOf('big', 1), small: hashOf('small', 1) } }]);
    expect(run.records.at(-1)).toMatchObject({ type: 'checkpoint', round: 1 });
  });

  test('has as long again after each piece of it that is stored', () => {
    const { saveMs } = DEFAULT_TIMING;
    run.event({ type: 'checkpoint' });
    commitRound(8);
    expect(run.savingUntilMs).toBe(saveMs);
    const pieceAt = (nowMs: number, peer: string, round = 1) => {
      run.nowMs = nowMs;
      run.event({ type: 'checkpoint-part', state: { stage: 'base', peer, round } });
      return run.savingUntilMs;
    };
    expect(pieceAt(100, 'big')).toBe(saveMs + 100);
    expect(pieceAt(200, 'small')).toBe(saveMs + 200);
    expect(pieceAt(300, 'big', 2), 'of another round').toBe(saveMs + 200);
    run.stored('big', 1, 8);
    expect(pieceAt(400, 'big'), 'of one that is stored').toBe(saveMs + 200);
    run.stored('small', 1, 8);
    expect(pieceAt(500, 'small'), 'of a checkpoint that is whole').toBe(undefined);
  });

  test('is gone back to only when both parts are there, of that commit', () => {
    commitRound(8);
    run.event({ type: 'stop', reason: 'a test' });
    const parts = [run.stored('small', 1, 8), run.stored('big', 1, 8)] as const;
    const [small, big] = parts;
    const rounds = (...stored: readonly CheckpointPart[]) => recover(run.records, stored).checkpoints.map(({ round }) => round);
    expect(rounds(...parts)).toEqual([1]);
    expect(rounds(small)).toEqual([]);
    expect(rounds(small, { ...big, hash: 'f'.repeat(64) })).toEqual([]);
    expect(rounds(small, { ...big, term: asTerm(2) })).toEqual([]);
    expect(rounds(small, { ...big, ranges: [{ start: 0, end: 7 }] })).toEqual([]);
    expect(rounds(small, { ...big, state: { ...big.state, stage: 'other' } })).toEqual([]);
  });

  test('of a commit without hashes is gone back to by its term and samples, until a checkpoint has said the hashes', () => {
    const alone = new TwoPeerRun(2);
    alone.trained(1, 4);
    alone.trained(2, 4);
    alone.event({ type: 'stop', reason: 'a test' });
    const commits = [...alone.records];
    for (const student of [1, 2]) alone.trained(student, 0);
    const big = alone.stored('big', 1, 4);
    const small = alone.stored('small', 1, 4);
    const other = { ...big, hash: 'f'.repeat(64) };
    const rounds = (records: readonly JournalRecord[], ...stored: readonly CheckpointPart[]) =>
      recover(records, stored).checkpoints.map(({ round }) => round);
    expect(rounds(commits, other, small)).toEqual([1]);
    expect(rounds(alone.records, other, small)).toEqual([]);
    expect(rounds(alone.records, big, small)).toEqual([1]);
  });
});
