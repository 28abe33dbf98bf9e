import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StateName } from '../../../src/protocol/state-name.js';
import { EngineRoom, INITIAL, type TestEngine } from './engine-room.js';

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

test('the peers of a stage are models apart: each begins with parameters of its own, the same in every process', async () => {
  const trained = async (student: TestEngine, peer: string, round: number) => {
    const stateAt = (at: number): StateName => ({ stage: 'plain', peer, round: at });
    student.train(round, 0, 20, { base: { ...INITIAL, state: stateAt(0) } });
    const { samples } = await student.next('worker.trained');
    student.commit(stateAt(round), samples);
    student.order({ type: 'coordinator.save', state: stateAt(round) });
    return (await room.stored(stateAt(round))).info.hash;
  };
  const [first, second] = [await room.engine('student', 1), await room.engine('student', 2)];
  const big = await trained(first, 'big', 1);
  expect(await trained(first, 'small', 2)).not.toBe(big);
  expect(await trained(second, 'big', 3)).toBe(big);
});
