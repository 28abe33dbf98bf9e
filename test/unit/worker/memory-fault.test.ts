/** Batches that do not fit into a WebAssembly memory of 24 MiB: the error of a student and of a teacher, and that its figure is true. */

import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { limitWasmMemory } from '../../support/small-wasm-memory.js';
import { EngineRoom, PATIENT_MS, stateOf, TERM } from './engine-room.js';

let room: EngineRoom;

beforeAll(async () => {
  await limitWasmMemory(24 * 2 ** 20);
});
beforeEach(() => {
  room = new EngineRoom();
});
afterEach(() => room.close());

/** So many channels that a step of some images fills the memory. */
const WIDE = { wide: { name: 'cnn', options: { channels: '256,32', hidden: 16 } } };
const stageOf = (batch: number) => ({
  wide: { kind: 'train', model: 'wide', on: 'train', test: 'test', epochs: 1, batch, every: 1, optimizer: { name: 'sgd', rate: 0.01 } },
});

test('a step that does not fit names the largest batch that does, and a run with that batch trains', async () => {
  await room.open(stageOf(60), { models: WIDE, engine: 'wasm' });
  const student = await room.engine('student', 1);
  student.train(1, 0, 60, { stage: 'wide' });
  const { code, message } = await student.next('worker.failed');
  expect(code).toBe('engine.outOfMemory');
  const words =
    /^wide: a training step of 60 images with the model wide needs .* than there is \(the engine wasm got no more than \d\d MiB\)\. The largest batch that fits safely is about (\d+) \(\d+ was tried\)/;
  expect(message).toMatch(words);
  const largest = Number(words.exec(message)?.[1]);
  expect(largest).toBeGreaterThan(1);

  const second = new EngineRoom();
  await second.open(stageOf(largest), { models: WIDE, engine: 'wasm' });
  const other = await second.engine('student', 1);
  other.train(1, 0, 60, { stage: 'wide' });
  expect(await other.next('worker.trained')).toMatchObject({ samples: 60 });
  await second.close();
});

test('the batch of a student whose loss is over the gathered batch fits with the images of the others', async () => {
  const module = fileURLToPath(new URL('../../support/cube-loss.mjs', import.meta.url));
  const stages = {
    cube: {
      ...{
        kind: 'train',
        model: 'small',
        on: 'train',
        test: 'test',
        epochs: 4,
        batch: 56,
        every: 1,
        optimizer: { name: 'sgd', rate: 0.01 },
      },
      loss: { labels: { weight: 1 }, terms: [{ module, weight: 1, batch: 'gathered' }] },
    },
  };
  /** A step of two students, one with `size` images and one with 14 times as many. */
  const begin = async (place: EngineRoom, size: number) => {
    const pair = [await place.engine('student', 1), await place.engine('student', 2)];
    const ranges = [size, 14 * size].map((count, i) => [{ start: 60 * i, end: 60 * i + count }]);
    pair.forEach((student, column) => {
      const [other, of] = [pair[1 - column]!, ranges[1 - column]!];
      const row = [{ incarnation: other.incarnation, endpoint: other.endpoint, column: 1 - column, ranges: of }];
      const work = { kind: 'train' as const, column, replicas: 2, ranges: ranges[column]!, roundSamples: 15 * size };
      student.assign(1, { stage: 'cube', work: { ...work, others: [], row, measures: false } });
    });
    return pair;
  };
  await room.open(stages, { engine: 'wasm' });
  const [student] = await begin(room, 4);
  const { code, message } = await student!.next('worker.failed');
  expect(code).toBe('engine.outOfMemory');
  const words =
    /a training step of 4 images, gathered with 56 of other students, .* The largest batch that fits safely is about \d+ \((\d+) was tried\)/;
  expect(message).toMatch(words);
  const largest = Number(words.exec(message)?.[1]);
  // 3 images fit alone; in a batch of 45, two tensors of the loss are 23 MB.
  expect([1, 2]).toContain(largest);

  const second = new EngineRoom();
  await second.open(stages, { engine: 'wasm' });
  const [other] = await begin(second, 1);
  expect(await other!.next('worker.trained')).toMatchObject({ samples: 1 });
  await second.close();
});

test('an answer that does not fit names the model that teaches, and not the one that learns', async () => {
  const training = { model: 'small', on: 'train', test: 'test', epochs: 1, batch: 60, every: 1, optimizer: { name: 'sgd', rate: 0.01 } };
  const learner = { kind: 'distil', ...training, teacher: 'wide', loss: {} };
  await room.open({ ...stageOf(1), learner }, { models: WIDE, engine: 'wasm' });
  const student = await room.engine('student', 1);
  student.train(1, 0, 1, { stage: 'wide' });
  await student.next('worker.trained');
  const wide = stateOf(1, 'wide');
  student.commit(wide, 1);
  student.order({ type: 'coordinator.save', state: wide });
  const { hash } = (await room.stored(wide)).info;

  const teacher = await room.engine('teacher', 9);
  teacher.order({ type: 'coordinator.serve', stage: 'learner', from: wide, hash });
  await teacher.next('worker.serving');
  const samples = { name: 'samples', dtype: 'int32', shape: [240], data: Int32Array.from({ length: 240 }, (_, i) => i % 60) } as const;
  const question = { term: TERM, stage: 'learner', about: { of: 'view', epoch: 0 }, half: false } as const;
  const client = await room.client(teacher);
  await expect(client.request({ type: 'knowledge.get', ...question, specs: [LOGITS_SPEC] }, [samples], PATIENT_MS)).rejects.toThrow();
  const { code, message } = await teacher.next('worker.failed');
  expect(code).toBe('engine.outOfMemory');
  expect(message).toMatch(/^learner: an answer about 240 images by the model wide, which teaches, needs more memory than there is/);
  expect(message).toContain('The largest batch of the model wide that fits');
});
