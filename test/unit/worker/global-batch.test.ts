/** `batch: { global }`: the same steps with any number of students; for SGD, every: 1 and no BatchNorm the same parameters, to rounding. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { totalOf } from '../../../src/data/shard-plan.js';
import { EngineRoom } from './engine-room.js';
import { LedRun } from './led-run.js';

const TRAINING = { kind: 'train', model: 'small', on: 'train', test: 'test', epochs: 2, every: 1, augment: { cropPadding: 1, flip: true } };
const PLAIN = { name: 'sgd', rate: 0.05, weightDecay: 1e-3 };
const MOMENTUM = { ...PLAIN, momentum: 0.9 };
/** The largest difference of parameters, where everything but the order of sums is the same. */
const ROUNDING = 1e-5;
/** A difference that no rounding makes. */
const APART = 1e-3;

const STAGES = {
  // An epoch of 60 images has 7 steps of 8 and one of 4: three students have 3, 3 and 2 of the first, and 2, 1 and 1 of the last.
  plain: { ...TRAINING, batch: { global: 8 }, optimizer: PLAIN },
  // The last step of an epoch has 2 images, for two of three students.
  fewer: { ...TRAINING, batch: { global: 29 }, optimizer: PLAIN },
  momentum: { ...TRAINING, batch: { global: 10 }, optimizer: { ...MOMENTUM, nesterov: true } },
  // One of the three students is spare.
  tiny: { ...TRAINING, batch: { global: 2 }, epochs: 1, optimizer: PLAIN },
  pair: { ...TRAINING, kind: 'mutual', batch: { global: 15 }, optimizer: MOMENTUM, peers: { a: {}, b: { model: 'large' } }, replicas: 2 },
  each: { ...TRAINING, batch: 8, optimizer: PLAIN },
  rare: { ...TRAINING, batch: { global: 8 }, every: 3, optimizer: PLAIN },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

/** A run of the stage from nothing to its end: the ranges of its commits, and its parameters. */
async function runOf(stage: string, students: number, peer?: string) {
  await room.close();
  room = await new EngineRoom().open(STAGES);
  const run = new LedRun(room, stage);
  expect(await run.term({ students })).toBe('done');
  return { rounds: run.commits.map(({ ranges }) => ranges), parameters: (await run.tensors(peer)).get('parameters') as Float32Array };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - present(b[i], 'an element'))), 0);
}

test.each(['plain', 'fewer', 'tiny', 'momentum'])(
  '%s: one, two and three students make the same steps, and the same parameters',
  async (stage) => {
    const alone = await runOf(stage, 1);
    for (const students of [2, 3]) {
      const { rounds, parameters } = await runOf(stage, students);
      expect(rounds).toEqual(alone.rounds);
      expect(largestDifference(parameters, alone.parameters)).toBeLessThan(ROUNDING);
    }
  },
);

test('so do one and two replicas of the peers of a mutual stage', async () => {
  const alone = await runOf('pair', 2, 'b');
  const { rounds, parameters } = await runOf('pair', 4, 'b');
  expect(rounds).toEqual(alone.rounds);
  expect(largestDifference(parameters, alone.parameters)).toBeLessThan(ROUNDING);
});

test('with a batch of each student, two make other steps and other parameters than one', async () => {
  const [alone, two] = [await runOf('each', 1), await runOf('each', 2)];
  expect([alone, two].map(({ rounds }) => rounds.length)).toEqual([16, 8]);
  expect(largestDifference(two.parameters, alone.parameters)).toBeGreaterThan(APART);
});

test('with rounds of several steps the steps are the same, and the parameters are not', async () => {
  const [alone, three] = [await runOf('rare', 1), await runOf('rare', 3)];
  for (const { rounds } of [alone, three]) expect(rounds.map(totalOf)).toEqual([24, 24, 12, 24, 24, 12]);
  expect(largestDifference(three.parameters, alone.parameters)).toBeGreaterThan(ROUNDING);
});
