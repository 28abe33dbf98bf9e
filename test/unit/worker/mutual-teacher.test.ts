/** Peers that a teacher teaches as well: over the wire they are what they are in one process, to the bit. */

import { afterEach, beforeEach, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { EngineRoom, INITIAL, stateOf } from './engine-room.js';
import { COURSE_STAGES, expectSameCourse, STEP_BY_STEP } from './mutual-course.js';

const TAUGHT = { teacher: 'large', fromTeacher: { temperature: 4, weight: { schedule: 'linear', from: 1, to: 0.2 } } };
const STAGES = { pair: { ...COURSE_STAGES.pair, ...TAUGHT }, three: { ...COURSE_STAGES.three, ...TAUGHT, wire: 'full' } };

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

/** The model of the stage `large` after some steps, and an engine that serves it. */
async function openTeacher(stage: string) {
  const trainee = await room.engine('student', 20);
  trainee.train(1, 0, 24, { stage: 'large', base: INITIAL });
  const { samples } = await trainee.next('worker.trained');
  const state = stateOf(1, 'large');
  trainee.commit(state, samples);
  trainee.order({ type: 'coordinator.save', state });
  const { info, tensors } = await room.stored(state);
  const engine = await room.engine('teacher', 21);
  engine.order({ type: 'coordinator.serve', stage, from: state, hash: info.hash });
  await engine.next('worker.serving');
  return { engine, parameters: present(tensors.get('parameters'), 'the parameters') };
}

test.each([
  ['pair', ['big', 'small']],
  ['three', ['a', 'b', 'c']],
] as const)('%s', async (stage, peers) => {
  const teacher = await openTeacher(stage);
  await expectSameCourse(room, { stage, peers, ends: STEP_BY_STEP, teacher });
});
