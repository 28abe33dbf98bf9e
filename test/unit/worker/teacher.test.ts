import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asRoundId } from '../../../src/base/ids.js';
import { LIMITS } from '../../../src/base/limits.js';
import type { CheckpointContent } from '../../../src/checkpoint/read-checkpoint.js';
import { assembleBatch } from '../../../src/data/batch.js';
import { loadSplit } from '../../../src/data/dataset.js';
import { openDescribedModel } from '../../../src/nn/model-topology.js';
import type { DataClient } from '../../../src/rpc/data-client.js';
import { batchKnowledge } from '../../../src/step/batch-knowledge.js';
import { buildEagerStep } from '../../../src/step/eager-step.js';
import { toHalf } from '../../../src/tensor/half.js';
import { type Knowledge, type KnowledgeSpec, LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { EngineRoom, INITIAL, PATIENT_MS, stateOf, TERM, type TestEngine } from './engine-room.js';

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
  readonly specs?: KnowledgeSpec[];
  readonly half?: boolean;
}

function ask(client: DataClient, { samples, epoch = 0, stage = 'taught', term = TERM, specs = [LOGITS_SPEC], half = false }: Question) {
  const tensor = { name: 'samples', dtype: 'int32', shape: [samples.length], data: Int32Array.from(samples) } as const;
  return client.request({ type: 'knowledge.get', term, stage, about: { of: 'view', epoch }, specs, half }, [tensor], PATIENT_MS);
}

async function knowledgeOf(client: DataClient, question: Question): Promise<Float32Array> {
  const { tensors } = await ask(client, question);
  expect(tensors[0]?.shape).toEqual([question.samples.length, 10]);
  return tensors[0]?.data as Float32Array;
}

/** The knowledge that the checkpoint's model has of a view, asked directly: the model is opened from the checkpoint alone. */
async function predicted(samples: readonly number[], epoch: number): Promise<Float32Array> {
  return (await answered(samples, epoch, [LOGITS_SPEC]))[0]!.data;
}

async function answered(samples: readonly number[], epoch: number, specs: readonly KnowledgeSpec[]): Promise<Knowledge> {
  const { recipe } = room;
  const split = await loadSplit(recipe.data, 'train');
  const inputShape = [split.height, split.width, split.channels] as const;
  const stage = recipe.stages.taught;
  if (stage?.kind !== 'distil') throw new Error('the recipe has changed');
  const content = await room.store.get(LARGE);
  const model = await openDescribedModel({ topology: content.topology, parameters: parametersOf(content), file: room.folder });
  const program = buildEagerStep({ model, training: null, inputShape });
  const images = new Float32Array(samples.length * split.height * split.width);
  const labels = new Int32Array(samples.length);
  const view = { seed: recipe.seed, epoch, augment: stage.augment, normalise: recipe.data.normalise };
  assembleBatch({ store: split.store, view, samples, out: { images, labels } });
  const knowledge = batchKnowledge(program, { images, labels }, specs);
  program.dispose();
  model.dispose();
  return knowledge;
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
    const answers = await Promise.all(questions.map((question) => knowledgeOf(client, question)));
    for (const [i, { samples, epoch }] of questions.entries()) {
      expect(answers[i]).toEqual(await predicted(samples, epoch));
    }
    // The same samples in another epoch are other pixels: the answers must differ.
    expect(answers[0]?.[0]).not.toBe(answers[1]?.[0]);
  });

  const MAPS = { of: 'tap' as const, layer: 'conv2', reduce: { name: 'attention', options: { p: 2, height: 3, width: 3 } } };
  const CONV = { of: 'tap' as const, layer: 'conv1', reduce: null };

  /** It compares the samples of one request only, also where requests were merged. */
  const ALIKE = { of: 'similarity' as const, layer: 'conv1' };

  /** The teacher has the labels of the samples. */
  const SENSITIVITY = { of: 'input-gradient' as const };

  test('answers with layers by name, reduced before they travel, and its gradient by the images, in the order asked for; whatever else is asked meanwhile', async () => {
    const { info } = await makeCheckpoint();
    const client = await room.client(await openTeacher(info.hash));
    const lists = [[MAPS, LOGITS_SPEC], [CONV], [LOGITS_SPEC], [LOGITS_SPEC, MAPS], [SENSITIVITY, LOGITS_SPEC], [ALIKE], [ALIKE], [ALIKE]];
    const answers = await Promise.all(lists.map((specs, i) => ask(client, { samples: [i, 9], specs })));
    for (const [i, specs] of lists.entries()) {
      const expected = await answered([i, 9], 0, specs);
      expect(answers[i]?.tensors).toEqual(
        expected.map(({ shape, data }, place) => ({ name: `knowledge.${place}`, dtype: 'float32', shape: [...shape], data })),
      );
    }
    expect(answers[0]?.tensors[0]?.shape).toEqual([2, 9]);
    expect(answers[4]?.tensors[0]?.shape).toEqual([2, 12, 10, 1]);
    expect(answers[5]?.tensors[0]?.shape).toEqual([2, 2]);
    expect(answers[5]?.tensors[0]?.data).not.toEqual(answers[6]?.tensors[0]?.data);
  });

  test('answers in float16 where that is asked for: the nearest halves, in half the bytes', async () => {
    const { info } = await makeCheckpoint();
    const client = await room.client(await openTeacher(info.hash));
    const specs = [LOGITS_SPEC, MAPS];
    const { tensors } = await ask(client, { samples: [1, 2], specs, half: true });
    const expected = await answered([1, 2], 0, specs);
    for (const [i, { shape, data }] of expected.entries()) {
      const result = toHalf(data);
      expect(tensors[i]).toEqual({ name: `knowledge.${i}`, dtype: 'float16', shape: [...shape], data: result.fits && result.bits });
    }
  });

  test('says why it does not answer', async () => {
    const { info } = await makeCheckpoint();
    const early = await room.engine('teacher', 8);
    await expect(knowledgeOf(await room.client(early), { samples: [1] })).rejects.toMatchObject({ reason: 'not-ready' });
    const client = await room.client(await openTeacher(info.hash));
    await expect(knowledgeOf(client, { samples: [1], stage: 'plain' })).rejects.toMatchObject({ reason: 'wrong-stage' });
    await expect(knowledgeOf(client, { samples: [1], term: (TERM + 1) as typeof TERM })).rejects.toMatchObject({ reason: 'old-term' });
    await expect(knowledgeOf(client, { samples: [1, 60] })).rejects.toMatchObject({ reason: 'unknown-sample' });
    await expect(knowledgeOf(client, { samples: [-1] })).rejects.toMatchObject({ reason: 'unknown-sample' });
    await expect(knowledgeOf(client, { samples: new Array<number>(257).fill(3) })).rejects.toMatchObject({ reason: 'too-large' });
    await expect(knowledgeOf(client, { samples: [] })).rejects.toMatchObject({ reason: 'invalid-message' });
    const unknown = [
      [{ ...CONV, layer: 'conv9' }, /stage large: the model has no layer "conv9"; did you mean "conv1"/],
      [{ ...ALIKE, layer: 'conv9' }, /stage large: the model has no layer "conv9"; did you mean "conv1"/],
      [{ ...MAPS, reduce: { name: 'mean', options: {} } }, /there is no reduction "mean"/],
      [{ ...MAPS, layer: 'hidden' }, /it takes maps of height, width and channels, and this layer puts out \[16\]/],
    ] as const;
    for (const [spec, message] of unknown) {
      const refused = await ask(client, { samples: [1], specs: [LOGITS_SPEC, spec] }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ reason: 'unknown-tap', message: expect.stringMatching(message) });
    }
    const many = Array.from({ length: 17 }, () => LOGITS_SPEC);
    await expect(ask(client, { samples: [1], specs: many })).rejects.toMatchObject({ reason: 'invalid-message' });
    const arena = { type: 'arena.get', term: TERM, state: stateOf(1, 'taught'), attempt: 1, part: 'trained', start: 0, end: 1 } as const;
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

  test.each([
    [1e30, false, 'not-finite', /teacher teacher-8, model of stage large: knowledge\.0 \(logits\) is not finite/],
    [
      40,
      true,
      'beyond-half',
      /teacher teacher-8, model of stage large: number \d+ of knowledge\.0 \(logits\) is -?\d+.*; float16 holds at most 65504/,
    ],
  ] as const)('numbers that must not travel are never sent: parameters times %d, half: %s', async (factor, half, reason, message) => {
    const content = await makeCheckpoint();
    const huge = parametersOf(content).map((value) => factor * value + factor);
    const tensors = new Map(content.tensors).set('parameters', huge);
    const hash = hashState(tensors);
    const state = stateOf(2, 'large');
    await room.store.put({ info: { ...content.info, state, hash }, tensors, topology: content.topology });
    const teacher = await room.engine('teacher', 8);
    teacher.order({ type: 'coordinator.serve', stage: 'taught', from: state, hash });
    await teacher.next('worker.serving');
    const refused = await ask(await room.client(teacher), { samples: [1], half }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ reason, message: expect.stringMatching(message) });
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

  interface Tapping {
    readonly wire?: 'full' | 'half';
    readonly taps: [string, string];
    /** The exponents of the maps: each is a term of its own, and a tensor that is asked of the teacher. */
    readonly exponents: readonly number[];
    /** The hash of the teacher's checkpoint. */
    readonly hash: string;
  }

  /** A student at work on a round of a stage whose loss takes attention maps of a teacher. */
  async function startTapped({ wire = 'full', taps, exponents, hash }: Tapping): Promise<TestEngine> {
    const { taught } = room.recipe.stages;
    if (taught?.kind !== 'distil') throw new Error('the recipe has changed');
    const terms = exponents.map((p) => ({ loss: 'attention-transfer', weight: 10, taps: [taps], p }));
    const loss = { labels: { weight: 1, smoothing: 0 }, terms };
    room.recipe = { ...room.recipe, stages: { ...room.recipe.stages, taught: { ...taught, wire, loss } } };
    const { incarnation, endpoint } = await openTeacher(hash, wire === 'half' ? 31 : 30);
    const student = await room.engine('student', wire === 'half' ? 41 : 40);
    student.order({ type: 'coordinator.link', stage: 'taught', version: 1, teachers: [{ incarnation, endpoint }] });
    student.train(5, 0, 60, { stage: 'taught' });
    return student;
  }

  test('a student learns from more maps than one request may ask for; in float16 nearly the same', async () => {
    const { hash } = (await makeCheckpoint()).info;
    const exponents = Array.from({ length: LIMITS.specs + 2 }, (_, i) => 1 + i / 4);
    const sums: number[] = [];
    for (const wire of ['full', 'half'] as const) {
      const student = await startTapped({ wire, taps: ['conv1', 'pool1'], exponents, hash });
      sums.push((await student.next('worker.trained')).lossSum);
    }
    expect(sums[1]).not.toBe(sums[0]);
    expect(sums[1]! / sums[0]!).toBeCloseTo(1, 2);
  });

  test('a layer that the teacher does not have ends the work, with its name', async () => {
    const { hash } = (await makeCheckpoint()).info;
    const student = await startTapped({ taps: ['conv1', 'conv7'], exponents: [2], hash });
    expect(await student.next('worker.failed')).toMatchObject({
      code: 'model.invalid',
      message: expect.stringContaining('the model has no layer "conv7"; did you mean "conv1"?'),
    });
  });
});
