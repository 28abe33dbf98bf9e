import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asRoundId } from '../../../src/base/ids.js';
import type { CheckpointContent } from '../../../src/checkpoint/read-checkpoint.js';
import { assembleBatch } from '../../../src/data/batch.js';
import { loadSplit } from '../../../src/data/dataset.js';
import { buildModel } from '../../../src/nn/build.js';
import type { DataClient } from '../../../src/rpc/data-client.js';
import { buildEagerStep } from '../../../src/step/eager-step.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { initialSeed } from '../../../worker/kit/view.js';
import { EngineRoom, INITIAL, stateOf, TERM, type TestEngine } from './engine-room.js';

/** Ends a request in vain, on a loaded machine too. */
const PATIENT_MS = 60_000;

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open();
});
afterEach(() => room.close());

const LARGE = stateOf(1, 'large');

/** Trains the large model for a round and saves it. */
async function makeCheckpoint(): Promise<CheckpointContent> {
  const student = await room.engine('student', 1);
  student.train(1, 0, 40, { stage: 'large' });
  const { samples } = await student.next('worker.trained');
  student.commit(LARGE, samples);
  student.order({ type: 'coordinator.save', state: LARGE });
  return room.stored(LARGE);
}

async function openTeacher(hash: string, incarnation = 9): Promise<TestEngine> {
  const teacher = await room.engine('teacher', incarnation);
  teacher.order({ type: 'coordinator.serve', stage: 'taught', from: LARGE, hash });
  expect(await teacher.next('worker.serving')).toMatchObject({ stage: 'taught' });
  return teacher;
}

const parametersOf = ({ tensors }: CheckpointContent): Float32Array => tensors.get('parameters') as Float32Array;

interface Question {
  readonly samples: readonly number[];
  readonly epoch?: number;
  readonly stage?: string;
  readonly term?: typeof TERM;
}

async function targets(client: DataClient, { samples, epoch = 0, stage = 'taught', term = TERM }: Question): Promise<Float32Array> {
  const tensor = { name: 'samples', dtype: 'int32', shape: [samples.length], data: Int32Array.from(samples) } as const;
  const { tensors } = await client.request(
    { type: 'knowledge.get', term, stage, about: { of: 'view', epoch }, specs: [LOGITS_SPEC], half: false },
    [tensor],
    PATIENT_MS,
  );
  expect(tensors[0]?.shape).toEqual([samples.length, 10]);
  return tensors[0]?.data as Float32Array;
}

/** What the checkpoint's model says of a view, asked directly. */
async function predicted(samples: readonly number[], epoch: number): Promise<Float32Array> {
  const { recipe } = room;
  const split = await loadSplit(recipe.data, 'train');
  const inputShape = [split.height, split.width, split.channels] as const;
  const spec = recipe.models.large;
  const stage = recipe.stages.taught;
  if (spec === undefined || stage?.kind !== 'distil') throw new Error('the recipe has changed');
  const model = await buildModel(spec, { inputShape, classes: split.classes, seed: initialSeed(recipe, 'large') });
  const program = buildEagerStep({ model, training: null, inputShape });
  program.writeParameters(parametersOf(await room.store.get(LARGE)));
  const images = new Float32Array(samples.length * split.height * split.width);
  const view = { seed: recipe.seed, epoch, augment: stage.augment, normalise: recipe.data.normalise };
  assembleBatch({ store: split.store, view, samples, out: { images, labels: new Int32Array(samples.length) } });
  const logits = program.predict(images, samples.length);
  program.dispose();
  model.dispose();
  return logits;
}

describe('a teacher', () => {
  test('answers with what its model says of the views, whatever they were merged with', async () => {
    const { info } = await makeCheckpoint();
    const client = await room.client(await openTeacher(info.hash));
    const questions = [
      { samples: [3, 1, 59], epoch: 0 },
      { samples: [3, 1], epoch: 1 },
      { samples: [7], epoch: 5 },
    ];
    const answers = await Promise.all(questions.map((question) => targets(client, question)));
    for (const [i, { samples, epoch }] of questions.entries()) {
      expect(answers[i]).toEqual(await predicted(samples, epoch));
    }
    // The same samples in another epoch are other pixels: the answers must differ.
    expect(answers[0]?.[0]).not.toBe(answers[1]?.[0]);
  });

  test('says why it does not answer', async () => {
    const { info } = await makeCheckpoint();
    const early = await room.engine('teacher', 8);
    await expect(targets(await room.client(early), { samples: [1] })).rejects.toMatchObject({ reason: 'not-ready' });
    const client = await room.client(await openTeacher(info.hash));
    await expect(targets(client, { samples: [1], stage: 'plain' })).rejects.toMatchObject({ reason: 'wrong-stage' });
    await expect(targets(client, { samples: [1], term: (TERM + 1) as typeof TERM })).rejects.toMatchObject({ reason: 'old-term' });
    await expect(targets(client, { samples: [1, 60] })).rejects.toMatchObject({ reason: 'unknown-sample' });
    await expect(targets(client, { samples: [-1] })).rejects.toMatchObject({ reason: 'unknown-sample' });
    await expect(targets(client, { samples: new Array<number>(257).fill(3) })).rejects.toMatchObject({ reason: 'too-large' });
    await expect(targets(client, { samples: [] })).rejects.toMatchObject({ reason: 'invalid-message' });
    const arena = { type: 'arena.get', term: TERM, state: stateOf(1, 'taught'), attempt: 1, start: 0, end: 1 } as const;
    await expect(client.request(arena, [], PATIENT_MS)).rejects.toMatchObject({ reason: 'invalid-message' });
  });

  test('a checkpoint that cannot be loaded is reported', async () => {
    const teacher = await room.engine('teacher', 8);
    teacher.order({ type: 'coordinator.serve', stage: 'taught', from: LARGE, hash: 'a'.repeat(64) });
    const failed = await teacher.next('worker.failed');
    expect(failed.code).toBe('checkpoint.damaged');
    expect(failed.message).toContain('stage large, round 1');
  });

  test('a checkpoint of other bits than it is to serve is damaged', async () => {
    await makeCheckpoint();
    const teacher = await room.engine('teacher', 8);
    teacher.order({ type: 'coordinator.serve', stage: 'taught', from: LARGE, hash: 'a'.repeat(64) });
    expect(await teacher.next('worker.failed')).toMatchObject({ code: 'checkpoint.damaged' });
  });

  test('logits that are not finite are never sent', async () => {
    const content = await makeCheckpoint();
    const tensors = new Map(content.tensors).set(
      'parameters',
      parametersOf(content).map(() => 1e30),
    );
    const hash = hashState(tensors);
    const state = stateOf(2, 'large');
    await room.store.put({ info: { ...content.info, state, hash }, tensors });
    const teacher = await room.engine('teacher', 8);
    teacher.order({ type: 'coordinator.serve', stage: 'taught', from: state, hash });
    await teacher.next('worker.serving');
    await expect(targets(await room.client(teacher), { samples: [1] })).rejects.toMatchObject({ reason: 'not-finite' });
  });
});

describe('distillation', () => {
  test('a student learns from linked teachers, and how many there are changes nothing', async () => {
    const { info } = await makeCheckpoint();
    const teachers = [await openTeacher(info.hash, 9), await openTeacher(info.hash, 10)];
    const addresses = teachers.map(({ incarnation, endpoint }) => ({ incarnation, endpoint }));
    const sums: number[] = [];
    for (const count of [1, 2]) {
      const student = await room.engine('student', 20 + count);
      student.order({ type: 'coordinator.link', stage: 'taught', version: 1, teachers: addresses.slice(0, count) });
      student.train(5, 0, 60, { stage: 'taught', base: INITIAL });
      sums.push((await student.next('worker.trained')).lossSum);
    }
    expect(sums[1]).toBe(sums[0]);
  });

  test('a student without teachers waits for a link, and can be called off meanwhile', async () => {
    const { info } = await makeCheckpoint();
    const student = await room.engine('student', 21);
    student.train(5, 0, 16, { stage: 'taught' });
    student.order({ type: 'coordinator.abandon', round: asRoundId(5), reason: 'a test' });
    student.train(6, 0, 24, { stage: 'taught' });
    const { incarnation, endpoint } = await openTeacher(info.hash);
    student.order({ type: 'coordinator.link', stage: 'taught', version: 1, teachers: [{ incarnation, endpoint }] });
    expect(await student.next('worker.trained')).toMatchObject({ round: 6, samples: 24 });
  });

  test('a student without teachers that is to conclude has trained nothing, and holds its base', async () => {
    const student = await room.engine('student', 21);
    student.train(5, 0, 16, { stage: 'taught' });
    student.order({ type: 'coordinator.conclude', round: asRoundId(5) });
    expect(await student.next('worker.trained')).toMatchObject({ round: 5, samples: 0 });
  });
});
