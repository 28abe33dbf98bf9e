/** The adapters of a stage's loss belong to the state of the students: they are averaged, stored, resumed and handed on with the model's parameters. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { weightedAverage } from '../../../src/averaging/weighted-average.js';
import { present } from '../../../src/base/assert.js';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { EngineRoom, PATIENT_MS, stateOf, TERM } from './engine-room.js';
import { LedRun, type TermOptions } from './led-run.js';

/** A loss without a teacher that trains a linear layer beside the model: [4, 10], with a bias of [10]. */
const MODULE = `
export const declaration = {
  takesOther: false,
  needs: () => ({
    student: [{ of: 'logits' }],
    adapters: [
      { name: 'kernel', shape: [10, 4], initial: 'kaiming' },
      { name: 'bias', shape: [4], initial: 0.5, decays: false },
    ],
  }),
};
export function sum({ student: [logits], adapters: { kernel, bias } }, knobs, { core: tf }) {
  return { sum: tf.sum(tf.square(tf.add(tf.matMul(logits, kernel), bias))), count: logits.shape[0] };
}`;

/** The parameters of the model `small`, and of the adapters. */
const MODEL_SIZE = 1066;
const ADAPTERS_SIZE = 44;

let room: EngineRoom;
let folder = '';
const STAGE = { kind: 'train', model: 'small', on: 'train', test: 'test', epochs: 3, batch: 6, every: 2, checkpointEvery: 2 };

async function openRoom(): Promise<EngineRoom> {
  const loss = { labels: {}, terms: [{ module: join(folder, 'adapter.mjs'), weight: 0.1 }] };
  return new EngineRoom().open({ adapted: { ...STAGE, optimizer: { name: 'adam', rate: 0.01 }, loss } });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adapter-state-'));
  await writeFile(join(folder, 'adapter.mjs'), MODULE);
  room = await openRoom();
});
afterEach(async () => {
  await room.close();
  await rm(folder, { recursive: true });
});

test('two students commit the weighted average of their whole arenas, adapters included', async () => {
  const students = await Promise.all([1, 2].map((incarnation) => room.engine('student', incarnation)));
  const base = { state: stateOf(0, 'adapted'), hash: null, committed: 0, sources: [], isStored: false, init: null };
  const shares = [
    [0, 18],
    [18, 24],
  ] as const;
  students.forEach((student, i) => {
    const [start, end] = present(shares[i], 'a share');
    student.train(1, start, end, { base, total: 24, replicas: 2 });
  });
  const contributors = await Promise.all(
    students.map(async (student) => student.contributor((await student.next('worker.trained')).samples)),
  );
  const arenas: { arena: Float32Array; samples: number }[] = [];
  for (const student of students) {
    const client = await room.client(student);
    const [state, end] = [stateOf(1, 'adapted'), MODEL_SIZE + ADAPTERS_SIZE];
    const body = { type: 'arena.get', term: TERM, state, attempt: 1, part: 'trained', start: 0, end } as const;
    const { header, tensors } = await client.request(body, [], PATIENT_MS);
    arenas.push({ arena: tensors[0]?.data as Float32Array, samples: header.samples });
  }
  const [first, second] = arenas.map(({ arena }) => arena.subarray(MODEL_SIZE));
  expect(first, 'each has trained them on its own images').not.toEqual(second);
  for (const student of students) {
    student.order({ type: 'coordinator.average', state: stateOf(1, 'adapted'), attempt: 1, contributors: [...contributors] });
  }
  const averaged = await Promise.all(students.map((student) => student.next('worker.averaged')));
  const mean = weightedAverage(arenas);
  const parts = new Map([
    ['parameters', mean.subarray(0, MODEL_SIZE)],
    ['adapters', mean.subarray(MODEL_SIZE)],
  ]);
  expect(averaged.map(({ hash }) => hash)).toEqual([hashState(parts), hashState(parts)]);
});

const afterCommits = (count: number) => {
  return (records: readonly JournalRecord[]) => records.filter(({ type }) => type === 'commit').length === count;
};

async function runOf(terms: readonly TermOptions[]): Promise<LedRun> {
  await room.close();
  room = await openRoom();
  const run = new LedRun(room, 'adapted');
  const outcomes: string[] = [];
  for (const term of terms) outcomes.push(await run.term(term));
  expect(outcomes.at(-1)).toBe('done');
  return run;
}

test('stopped, and killed after a checkpoint, a run goes on to the same bits of the adapters; an export has nothing of them', async () => {
  const students = 2;
  const expected = await (await runOf([{ students }])).tensors();
  const broken = await runOf([
    { students, until: afterCommits(2), by: 'stop' },
    { students, until: afterCommits(5), by: 'kill' },
    { students },
  ]);
  const tensors = await broken.tensors();
  expect([...tensors.keys()]).toEqual(['parameters', 'adapters', 'slots', 'slots.1']);
  expect(tensors).toEqual(expected);
  const adapters = present(tensors.get('adapters'), 'the adapters');
  expect(adapters).toHaveLength(ADAPTERS_SIZE);
  expect([...adapters.subarray(-4)], 'the bias has moved').not.toEqual([0.5, 0.5, 0.5, 0.5]);
  // The optimiser has a state for them: two moments of every element.
  expect(tensors.get('slots')?.length).toBeGreaterThanOrEqual(2 * (MODEL_SIZE + ADAPTERS_SIZE));

  const { round } = present(broken.commits.at(-1), 'a commit');
  const { topology } = await room.store.get(stateOf(round, 'adapted'));
  const parameters = present(tensors.get('parameters'), 'the parameters');
  const facts = { run: 'r', stage: 'adapted', peer: 'model', round, epoch: null, accuracy: null, mean: [0], std: [1] };
  const [weights] = exportModel({ topology, parameters, file: 'checkpoints' }, facts);
  expect(weights?.bytes.byteLength).toBe(4 * MODEL_SIZE);
});
