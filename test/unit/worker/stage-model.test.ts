import { afterEach, beforeEach, expect, test } from 'vitest';
import { EngineRoom, INITIAL } from './engine-room.js';

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open();
});
afterEach(() => room.close());

test('how the steps of a stage run is said once, in the log and to the coordinator', async () => {
  const student = await room.engine('student', 1);
  student.train(1, 0, 20);
  await student.next('worker.trained');
  student.train(2, 0, 20, { base: INITIAL });
  await student.next('worker.trained');
  const how = { stage: 'plain', traced: false, precision: 'fp32', threads: 1 };
  expect(student.prepared).toMatchObject([{ ...how, note: null }]);
  expect(student.lines).toContainEqual({ event: 'step.chosen', engine: 'cpu', ...how, reason: null });
});

test('bf16 is not taken for fp32 by an engine that has no bf16', async () => {
  room.recipe = { ...room.recipe, engine: { trace: 'auto', precision: 'bf16' } };
  await expect(room.engine('student', 1)).rejects.toMatchObject({
    code: 'engine.unusable',
    message: expect.stringMatching(/engine\.precision is bf16, and the engine cpu computes in fp32 only\. Install the engine tensorflow/),
  });
});
