/** Models from outside in real engines: a student tests one, begins with one, and a teacher serves one. Their layers come from the coordinator. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asTerm } from '../../../src/base/ids.js';
import { loadSplit } from '../../../src/data/dataset.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { refusal } from '../../../src/rpc/data-server.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { EngineRoom, INITIAL, PATIENT_MS, stateOf, TERM } from './engine-room.js';

const GIVEN = stateOf(1, 'given');
const TRAINING = { model: 'small', on: 'train', test: 'test', epochs: 2, batch: 8, every: 2, optimizer: { name: 'sgd', rate: 0.01 } };

let room: EngineRoom;
let hash = '';
let parameters: Float32Array = new Float32Array();
beforeEach(async () => {
  room = await new EngineRoom().open({
    given: { kind: 'load', from: { file: '/model.json' }, test: 'test' },
    tuned: { kind: 'train', ...TRAINING, init: 'given' },
    learner: { kind: 'distil', ...TRAINING, teacher: 'given', loss: {} },
  });
  await openEngine('cpu');
  // The same architecture as `small`, and another seed than the run's.
  const { height, width, channels, classes } = await loadSplit(room.recipe.data, 'train');
  const model = await buildModel({ name: 'cnn-student', options: {} }, { inputShape: [height, width, channels], classes, seed: 77 });
  const schema = arenaSchemaOf(model);
  parameters = readArena(model, schema);
  const topology = topologyOf(model);
  disposeModel(model);
  const tensors = new Map([
    ['parameters', parameters],
    ['slots', new Float32Array(0)],
  ]);
  hash = hashState(tensors);
  await room.store.put({ info: { state: GIVEN, term: asTerm(1), ranges: [], hash, schema: schema.model.hash }, tensors, topology });
});
afterEach(() => room.close());

const BASE = { state: GIVEN, hash: '', committed: 0, sources: [], isStored: true, init: null };

test('a student tests it', async () => {
  const student = await room.engine('student', 1);
  const base = { ...BASE, hash };
  student.assign(1, { base, work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
  expect(await student.next('worker.evaluated')).toMatchObject({ count: 20, parameters: parameters.length });
});

test('a stage begins with its parameters, and not with those of the seed', async () => {
  const student = await room.engine('student', 1);
  const begin = async (init: typeof BASE.init | { state: typeof GIVEN; hash: string }, round: number) => {
    const state = stateOf(0, 'tuned');
    student.assign(round, {
      base: { ...INITIAL, state, init },
      work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] },
    });
    return (await student.next('worker.evaluated')).lossSum;
  };
  const base = { ...BASE, hash };
  student.assign(1, { base, work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
  const { lossSum } = await student.next('worker.evaluated');
  expect(await begin({ state: GIVEN, hash }, 2)).toBe(lossSum);
  // It trains on from there, and a checkpoint of the first round holds what came of it.
  student.train(3, 0, 8, { stage: 'tuned', base: { ...INITIAL, init: { state: GIVEN, hash } } });
  await student.next('worker.trained');
  student.commit(stateOf(3, 'tuned'), 8);
  student.order({ type: 'coordinator.save', state: stateOf(3, 'tuned') });
  const trained = (await room.stored(stateOf(3, 'tuned'))).tensors.get('parameters') as Float32Array;
  const moved = Math.max(...trained.map((value, i) => Math.abs(value - (parameters[i] ?? 0))));
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThan(0.1);
});

test('a damaged one is refused by its hash', async () => {
  const student = await room.engine('student', 1);
  const init = { state: GIVEN, hash: 'ab'.repeat(32) };
  student.train(1, 0, 8, { stage: 'tuned', base: { ...INITIAL, init } });
  expect(await student.next('worker.failed')).toMatchObject({ code: 'checkpoint.damaged' });
});

test('its layers are damaged on the disk: that is said, for a student and a teacher', async () => {
  room.answering = async () => refusal('failed', 'a file is damaged');
  const damage = { code: 'checkpoint.damaged', message: expect.stringMatching(/^the checkpoint of given: a file is damaged$/) };
  const student = await room.engine('student', 1);
  student.assign(1, { base: { ...BASE, hash }, work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
  expect(await student.next('worker.failed')).toMatchObject(damage);
  const teacher = await room.engine('teacher', 9);
  teacher.order({ type: 'coordinator.serve', stage: 'learner', from: GIVEN, hash });
  expect(await teacher.next('worker.failed')).toMatchObject(damage);
});

test('another order comes while its layers are fetched: they are not waited for', async () => {
  const student = await room.engine('student', 1);
  const isAsked = new Promise<void>((resolve) => {
    room.answering = () => {
      resolve();
      return new Promise(() => {});
    };
  });
  student.assign(1, { base: { ...BASE, hash }, work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
  await isAsked;
  student.train(2, 0, 8);
  expect(await student.next('worker.trained')).toMatchObject({ samples: 8 });
});

test('a teacher serves it, and reads no other images than those of the stage that it teaches', async () => {
  for (const what of ['images-idx3', 'labels-idx1']) await rm(join(room.folder, 'data', `t10k-${what}-ubyte`));
  const teacher = await room.engine('teacher', 9);
  teacher.order({ type: 'coordinator.serve', stage: 'learner', from: GIVEN, hash });
  expect(await teacher.next('worker.serving')).toMatchObject({ stage: 'learner' });
  const client = await room.client(teacher);
  const samples = { name: 'samples', dtype: 'int32', shape: [2], data: Int32Array.of(3, 5) } as const;
  const about = { of: 'view', epoch: 0 } as const;
  const question = { term: TERM, stage: 'learner', about, specs: [LOGITS_SPEC], half: false };
  const { tensors } = await client.request({ type: 'knowledge.get', ...question }, [samples], PATIENT_MS);
  expect(tensors[0]?.shape).toEqual([2, 10]);
});
