/** Batches that do not fit into a WebAssembly memory of 24 MiB: the error of a student and of a teacher, and that its figure is true. */

import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { limitWasmMemory } from '../../support/small-wasm-memory.js';
import { EngineRoom } from './engine-room.js';

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
