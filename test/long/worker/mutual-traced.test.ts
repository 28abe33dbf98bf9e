/**
 * Mutual learning over the wire with steps that run as graphs: what it is in one process, as graphs and op by op, to the bit. With
 * oneDNN off, as in trace-exact.test.ts.
 */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeTensorflow } from '../../support/tensorflow-engine.js';
import { EngineRoom } from '../../unit/worker/engine-room.js';
import { COURSE_MODELS, COURSE_STAGES, expectSameAverages, expectSameCourse, STEP_BY_STEP } from '../../unit/worker/mutual-course.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

describeTensorflow('mutual learning, traced', () => {
  let room: EngineRoom;
  beforeEach(async () => {
    room = await new EngineRoom().open(COURSE_STAGES, { engine: 'tensorflow', models: COURSE_MODELS });
  });
  afterEach(async () => {
    // No cell went on op by op.
    for (const { prepared } of room.engines) expect(prepared.map(({ traced, note }) => note ?? traced)).toEqual([true]);
    await room.close();
  });

  test.each([
    ['two peers', 'pair', ['big', 'small']],
    ['three peers', 'three', ['a', 'b', 'c']],
    ['the gradients of three peers', 'gradient', ['a', 'b', 'c']],
  ] as const)('%s, one replica of each, after each step', (_, stage, peers) =>
    expectSameCourse(room, { stage, peers, ends: STEP_BY_STEP, traces: ['auto', 'off'] }),
  );

  test.each([
    ['two peers', 'pair', ['big', 'small']],
    ['three peers', 'three', ['a', 'b', 'c']],
    ['a peer with BatchNorms', 'normed', ['norm', 'small']],
  ] as const)('%s, two replicas of each, over several rounds', (_, stage, peers) =>
    expectSameAverages(room, { stage, peers, traces: ['auto', 'off'] }),
  );
});
