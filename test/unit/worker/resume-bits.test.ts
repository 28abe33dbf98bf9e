/** A run of several students that is stopped or killed and goes on has the bits of one that was not, for each optimiser. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { EngineRoom } from './engine-room.js';
import { LedRun, type TermOptions } from './led-run.js';

const TRAINING = { kind: 'train', model: 'small', on: 'train', test: 'test', epochs: 3, batch: 6, every: 2, checkpointEvery: 2 };
const MOMENTUM = { name: 'sgd', rate: 0.05, momentum: 0.9, weightDecay: 1e-3 };
const ADAM = { name: 'adam', rate: 0.01 };
const STAGES = {
  momentum: { ...TRAINING, optimizer: MOMENTUM, augment: { cropPadding: 1, flip: true } },
  nesterov: { ...TRAINING, optimizer: { ...MOMENTUM, nesterov: true }, batch: { global: 14 } },
  adam: { ...TRAINING, optimizer: ADAM },
  pair: { ...TRAINING, kind: 'mutual', replicas: 2, optimizer: ADAM, peers: { a: {}, b: { model: 'large', optimizer: MOMENTUM } } },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

/** The run of a stage from nothing, with these terms. */
async function runOf(stage: keyof typeof STAGES, terms: readonly TermOptions[]): Promise<LedRun> {
  await room.close();
  room = await new EngineRoom().open(STAGES);
  const run = new LedRun(room, stage);
  const outcomes: string[] = [];
  for (const term of terms) outcomes.push(await run.term(term));
  expect(outcomes.at(-1)).toBe('done');
  return run;
}

const afterCommits = (count: number) => {
  return (records: readonly JournalRecord[]) => records.filter(({ type }) => type === 'commit').length === count;
};

describe.each([
  ['momentum', 2, ['model']],
  ['nesterov', 2, ['model']],
  ['adam', 2, ['model']],
  ['adam', 3, ['model']],
  ['pair', 4, ['a', 'b']],
] as const)('%s, %i students', (stage, students, peers) => {
  test('stopped, and killed after a checkpoint: the same parameters and optimisers, bit for bit', async () => {
    const whole = await runOf(stage, [{ students }]);
    const expected = await Promise.all(peers.map((peer) => whole.tensors(peer)));
    const rounds = whole.commits.map(({ ranges }) => ranges);
    const broken = await runOf(stage, [
      { students, until: afterCommits(2), by: 'stop' },
      { students, until: afterCommits(5), by: 'kill' },
      { students },
    ]);
    expect(broken.records.filter(({ type }) => type === 'term')).toHaveLength(3);
    expect(
      broken.records.some(({ type }) => type === 'rollback'),
      'the kill has undone commits',
    ).toBe(true);
    expect(broken.commits.map(({ ranges }) => ranges)).toEqual(rounds);
    const names = ['parameters', 'slots', ...Array.from({ length: students / peers.length - 1 }, (_, i) => `slots.${i + 1}`)];
    for (const [i, peer] of peers.entries()) {
      expect([...(expected[i]?.keys() ?? [])]).toEqual(names);
      expect(await broken.tensors(peer)).toEqual(expected[i]);
    }
  });
});

test('with another number of students a column without a state of its own goes on with that of the first, and the log says so', async () => {
  const run = await runOf('momentum', [{ students: 2, until: afterCommits(3), by: 'stop' }, { students: 3 }]);
  const named = run.lines.filter(({ event }) => event === 'checkpoint.slotsOfAnother');
  expect(named).toEqual([expect.objectContaining({ stage: 'momentum', column: 2 })]);
});

test('an optimiser without a state has nothing to store for other replicas, and nobody is told', async () => {
  const run = await runOf('momentum', [{ students: 1 }]);
  expect([...(await run.tensors()).keys()]).toEqual(['parameters', 'slots']);
  expect(run.reports.filter(({ type }) => type === 'fewer-replicas')).toEqual([]);
});
