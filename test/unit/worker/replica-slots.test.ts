/** A checkpoint has the state of the optimiser of each replica, as far as they hand it over. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Base } from '../../../src/protocol/control.js';
import { EngineRoom, INITIAL, stateOf, type TestEngine } from './engine-room.js';

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open();
});
afterEach(() => room.close());

/** Trains a column of three in a round of its own, up to the report. */
async function trainColumn(student: TestEngine, round: number, { base, column }: { readonly base: Base; readonly column: number }) {
  const ranges = [{ start: 20 * column + 20 * (round - 1), end: 20 * column + 20 * round }];
  student.assign(round, {
    base,
    work: { kind: 'train', column, replicas: 3, ranges, roundSamples: 60, others: [], row: [], measures: false },
  });
  return student.contributor((await student.next('worker.trained')).samples);
}

test('it is read out when the checkpoint is due, and is given back by column; a replica that does not answer is left out', async () => {
  const students = await Promise.all([1, 2, 3].map((incarnation) => room.engine('student', incarnation, { partElements: 300 })));
  const [saver, kept, silent] = students as [TestEngine, TestEngine, TestEngine];
  const contributors = await Promise.all(students.map((student, column) => trainColumn(student, 1, { base: INITIAL, column })));
  for (const student of students) student.average(1, contributors);
  const [report] = await Promise.all(students.map((student) => student.next('worker.averaged')));
  const hash = report?.hash ?? '';
  const [base] = students.map((student) => student.commit(stateOf(1), 60, hash)) as [Base];
  const others = [kept, silent].map(({ incarnation, endpoint }, i) => ({ column: i + 1, incarnation, endpoint }));
  await silent.close();
  saver.order({ type: 'coordinator.save', state: stateOf(1), column: 0, others });
  kept.order({ type: 'coordinator.save', state: stateOf(1), column: 1, others: null });
  // It trains on at once.
  const base2 = { ...base, state: stateOf(1) };
  await trainColumn(kept, 4, { base: base2, column: 1 });
  const trained = await lossOf(kept, 5, { base: base2, column: 1 });

  const { info, tensors } = await room.stored(stateOf(1));
  expect(info.hash).toBe(hash);
  expect([...tensors.keys()]).toEqual(['parameters', 'slots', 'slots.1']);
  expect(tensors.get('slots.1')).not.toEqual(tensors.get('slots'));
  expect(saver.lines).toContainEqual(expect.objectContaining({ event: 'slots.notFetched', column: 2 }));

  const joiner = await room.engine('student', 4);
  const stored = { ...base2, isStored: true };
  expect(await lossOf(joiner, 5, { base: stored, column: 1 }), 'with the optimiser of its column').toBe(trained);
  expect(await lossOf(joiner, 6, { base: stored, column: 0 }), 'and with that of another').not.toBe(trained);
});

/** The loss of a round of several steps, which depends on the optimiser's state that it begins with. */
async function lossOf(student: TestEngine, round: number, { base, column }: { readonly base: Base; readonly column: number }) {
  const work = {
    kind: 'train' as const,
    column,
    replicas: 3,
    ranges: [{ start: 90, end: 120 }],
    roundSamples: 30,
    others: [],
    row: [],
    measures: false,
  };
  student.assign(round, { base, work });
  return (await student.next('worker.trained')).lossSum;
}
