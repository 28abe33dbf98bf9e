/** The memory of a loss where members change: a late student, one that joins, and the peers of mutual learning that a teacher teaches too. */

import { afterEach, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { present } from '../../../src/base/assert.js';
import type { Base } from '../../../src/protocol/control.js';
import type { Range } from '../../../src/protocol/field.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import { samplesAt } from '../../../worker/student/batch-plan.js';
import { EngineRoom, stateOf, type TestEngine } from './engine-room.js';
import { LedRun } from './led-run.js';

const SAMPLES = 60;
const WIDTH = 4;
const SEED = 11;
const STAGE = 'contrasted';
const TRAINING = { on: 'train', test: 'test', epochs: 2, batch: 6, every: 2, optimizer: { name: 'adam', rate: 0.01 } };
const crdOf = (layer: string) => ({ loss: 'crd', from: 'teacher', taps: [[layer, 'hidden']], negatives: 20, width: WIDTH });

let room: EngineRoom;
afterEach(() => room.close());

/** The rows of one side, [60, 4], and its number Z; the student's side comes first. */
function sidesOf(tensors: StateTensors): readonly { readonly rows: readonly (readonly number[])[]; readonly z: number }[] {
  const adapters = present(tensors.get('adapters'), 'the adapters');
  const size = SAMPLES * WIDTH + 1;
  return [2, 1].map((fromEnd) => {
    const own = adapters.subarray(adapters.length - fromEnd * size, adapters.length - (fromEnd - 1) * size);
    return { rows: Array.from({ length: SAMPLES }, (_, i) => [...own.subarray(i * WIDTH, (i + 1) * WIDTH)]), z: own[SAMPLES * WIDTH]! };
  });
}

/** The samples whose rows differ between two states, on either side. */
function changedRows(before: StateTensors, after: StateTensors): readonly (readonly number[])[] {
  const [own, next] = [sidesOf(before), sidesOf(after)];
  const isOther = (side: number, row: number) => `${own[side]!.rows[row]}` !== `${next[side]!.rows[row]}`;
  return [0, 1].map((side) => Array.from({ length: SAMPLES }, (_, row) => row).filter((row) => isOther(side, row)));
}

/** An engine that serves the model of the stage `large` after some steps. */
async function openTeacher(): Promise<TestEngine> {
  const trainee = await room.engine('student', 20);
  trainee.train(1, 0, 24, { stage: 'large' });
  await trainee.next('worker.trained');
  const state = stateOf(1, 'large');
  trainee.commit(state, 24);
  trainee.order({ type: 'coordinator.save', state });
  const { hash } = (await room.stored(state)).info;
  const teacher = await room.engine('teacher', 21);
  teacher.order({ type: 'coordinator.serve', stage: STAGE, from: state, hash });
  await teacher.next('worker.serving');
  return teacher;
}

/** A student that this teacher teaches. */
async function studentOf({ incarnation, endpoint }: TestEngine, own: number): Promise<TestEngine> {
  const student = await room.engine('student', own);
  student.order({ type: 'coordinator.link', stage: STAGE, version: 1, teachers: [{ incarnation, endpoint }] });
  return student;
}

async function trainAll(
  students: readonly TestEngine[],
  round: number,
  { base, ranges }: { readonly base: Base; readonly ranges: readonly Range[] },
) {
  for (const [column, student] of students.entries()) {
    const grid = { column, replicas: students.length, ranges: [ranges[column]!], roundSamples: 36 };
    student.assign(round, { base, work: { kind: 'train', ...grid, others: [], row: [], measures: false } });
  }
  for (const student of students) await student.next('worker.trained');
}

/** The hash that each of them has come to. */
async function averageAll(students: readonly TestEngine[], round: number, samples: readonly number[]): Promise<readonly string[]> {
  const contributors = students.map((student, i) => student.contributor(samples[i]!));
  for (const student of students) student.order({ type: 'coordinator.average', state: stateOf(round, STAGE), attempt: 1, contributors });
  const hashes: string[] = [];
  for (const student of students) hashes.push((await student.next('worker.averaged')).hash);
  return hashes;
}

async function savedBy(student: TestEngine, round: number): Promise<StateTensors> {
  student.order({ type: 'coordinator.save', state: stateOf(round, STAGE) });
  return (await room.stored(stateOf(round, STAGE))).tensors;
}

test('the rows of a late student are not in the memory; it and one that joins take up the memory of the others', async () => {
  const stage = { kind: 'distil', teacher: 'large', model: 'small', ...TRAINING, loss: { terms: [crdOf('flatten')] } };
  room = await new EngineRoom().open({ [STAGE]: stage });
  const teacher = await openTeacher();
  const [first, second, late] = await Promise.all([1, 2, 3].map((own) => studentOf(teacher, own)));
  const students = [first!, second!, late!];
  const initial: Base = { state: stateOf(0, STAGE), hash: null, committed: 0, sources: [], isStored: false, init: null };
  const shares = [0, 12, 24].map((start) => ({ start, end: start + 12 }));
  await trainAll(students, 1, { base: initial, ranges: shares });
  const [hash, same] = await averageAll([first!, second!], 1, [12, 12]);
  expect(same).toBe(hash);
  for (const student of [first!, second!]) student.commit(stateOf(1, STAGE), 24, hash!);
  const one = await savedBy(first!, 1);

  const joined = await studentOf(teacher, 4);
  const sources = [{ incarnation: second!.incarnation, endpoint: second!.endpoint }];
  const base = { ...initial, state: stateOf(1, STAGE), hash: hash!, committed: 24, sources };
  // The late student's samples are given out again, to another one.
  const next = [24, 36, 48].map((start) => ({ start, end: start + 12 }));
  await trainAll([first!, late!, joined], 2, { base, ranges: next });
  const hashes = await averageAll([first!, late!, joined], 2, [12, 12, 12]);
  expect(new Set(hashes).size, 'all have the same parameters and memory').toBe(1);
  for (const student of [first!, late!, joined]) student.commit(stateOf(2, STAGE), 60, hashes[0]!);
  const two = await savedBy(joined, 2);
  const trained = [...samplesAt(next, { size: SAMPLES, seed: SEED })].sort((a, b) => a - b);
  expect(changedRows(one, two)).toEqual([trained, trained]);
  for (const [side, { rows, z }] of sidesOf(two).entries()) {
    for (const row of rows) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
    expect(z).toBe(sidesOf(one)[side]!.z);
  }
});

test('peers of mutual learning keep a memory each, of what the teacher and they say; a run that stops goes on to the same bits', async () => {
  const peers = {
    big: { model: 'large', loss: { terms: [{ loss: 'hinton' }, crdOf('hidden')] } },
    small: { loss: { terms: [{ loss: 'hinton' }, crdOf('flatten')] } },
  };
  const together = { kind: 'mutual', teacher: 'large', model: 'small', peers, ...TRAINING, checkpointEvery: 2 };
  const open = () => new EngineRoom().open({ together });
  const ended = async (run: LedRun) => Promise.all(['big', 'small'].map((peer) => run.tensors(peer)));
  room = await open();
  const run = new LedRun(room, 'large', 'together');
  expect(await run.term({ students: 2, teachers: 1 })).toBe('done');
  const expected = await ended(run);
  expected.forEach((tensors) => {
    const { rows, z } = sidesOf(tensors)[0]!;
    expect(z).toBeGreaterThan(0);
    for (const row of rows) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
  });
  // The teacher's side is embedded by either peer on its own.
  expect(sidesOf(expected[0]!)[1]!.rows).not.toEqual(sidesOf(expected[1]!)[1]!.rows);
  await room.close();

  room = await open();
  const broken = new LedRun(room, 'large', 'together');
  const afterCommits = (records: readonly JournalRecord[]) =>
    records.filter((record) => record.type === 'commit' && record.stage === 'together').length === 3;
  await broken.term({ students: 2, teachers: 1, until: afterCommits, by: 'stop' });
  expect(await broken.term({ students: 2, teachers: 1 })).toBe('done');
  expect(await ended(broken)).toEqual(expected);
});
