/** `batch: gathered`: students that average after each step learn from relations of their whole batch, as one student does. */

import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asIncarnation, asRoundId } from '../../../src/base/ids.js';
import { EngineRoom, INITIAL, PATIENT_MS, stateOf, TERM, type TestEngine } from './engine-room.js';
import { LedRun } from './led-run.js';

const TAPS = [['conv2', 'pool2']];
const moduleAt = (name: string) => fileURLToPath(new URL(`../../support/${name}.mjs`, import.meta.url));
const NEIGHBOURS = moduleAt('neighbour-loss');
const TRAINING = {
  ...{ model: 'small', on: 'train', test: 'test', epochs: 1, every: 1, batch: { global: 10 }, augment: { cropPadding: 1, flip: true } },
  optimizer: { name: 'sgd', rate: 0.03, momentum: 0.9, weightDecay: 1e-3 },
};
/** Six steps of 10 images: three students have 4, 3 and 3 of them. */
const taughtBy = (term: object, more: object = {}) => ({
  ...TRAINING,
  ...{ kind: 'distil', teacher: 'large' },
  loss: {
    labels: { weight: 1 },
    terms: [
      { loss: 'hinton', weight: 0.5 },
      { ...term, taps: TAPS },
    ],
  },
  ...more,
});
const GATHERED = { batch: 'gathered' };
const MEAN = { labels: { weight: 1 }, terms: [{ module: moduleAt('mean-loss'), weight: 2, ...GATHERED }] };

const STAGES = {
  // The teacher, the same to rounding for any number of students.
  large: {
    kind: 'train',
    model: 'large',
    on: 'train',
    test: 'test',
    epochs: 1,
    every: 1,
    batch: { global: 60 },
    optimizer: { name: 'sgd', rate: 0.05 },
  },
  rkd: taughtBy({ loss: 'rkd', weight: 0.05, ...GATHERED }),
  similarity: taughtBy({ loss: 'similarity', weight: 30, ...GATHERED }),
  pkt: taughtBy({ loss: 'pkt', weight: 1000, ...GATHERED }),
  module: taughtBy({ module: NEIGHBOURS, weight: 0.1, ...GATHERED }),
  // The last step of an epoch has 4 images, 2 for each student: their place in the batch changes. Without momentum the shares need not be constant.
  uneven: taughtBy({ module: NEIGHBOURS, weight: 0.1, ...GATHERED }, { batch: { global: 7 }, optimizer: { name: 'sgd', rate: 0.05 } }),
  each: taughtBy({ loss: 'similarity', weight: 30 }),
  half: taughtBy({ loss: 'similarity', weight: 30, ...GATHERED }, { wire: 'half' }),
  /** A loss that has no other side. */
  mean: { ...TRAINING, kind: 'train', loss: MEAN },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

/** A run of the stage with its teacher: the ranges of its commits, and its parameters. */
async function runOf(stage: string, students: number, engine: EngineRoom['engineName'] = 'cpu') {
  await room.close();
  room = await new EngineRoom().open(STAGES, { engine });
  const isTaught = stage !== 'mean';
  const run = new LedRun(room, ...(isTaught ? ['large', stage] : [stage]));
  expect(await run.term({ students, teachers: isTaught ? 1 : 0 })).toBe('done');
  return {
    rounds: run.commits.map(({ ranges }) => ranges),
    parameters: (await run.tensors()).get('parameters') as Float32Array,
  };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - present(b[i], 'an element'))), 0);
}

test.each(['rkd', 'similarity', 'pkt', 'module', 'uneven', 'mean'])(
  '%s: one, two and three students make the same parameters',
  async (stage) => {
    const alone = await runOf(stage, 1);
    for (const students of [2, 3]) {
      const { rounds, parameters } = await runOf(stage, students);
      expect(rounds).toEqual(alone.rounds);
      expect(largestDifference(parameters, alone.parameters), `${students} students`).toBeLessThan(1e-5);
    }
  },
);

test('relations of each student alone make other parameters; knowledge in float16 makes almost the same', async () => {
  const [alone, each, half] = [await runOf('similarity', 1), await runOf('each', 2), await runOf('half', 2)];
  expect(largestDifference(each.parameters, alone.parameters)).toBeGreaterThan(1e-3);
  const apart = largestDifference(half.parameters, alone.parameters);
  expect(apart).toBeGreaterThan(1e-5);
  expect(apart).toBeLessThan(1e-2);
});

test('a student whose row is withdrawn from a round makes the step again with its new ranges', async () => {
  const nobody = { column: 0, incarnation: asIncarnation(9), endpoint: 'tcp://127.0.0.1:9', ranges: [{ start: 0, end: 5 }] };
  const whole = {
    kind: 'train',
    column: 0,
    replicas: 1,
    ranges: [{ start: 0, end: 10 }],
    roundSamples: 10,
    others: [],
    row: [],
    measures: false,
  } as const;
  const make = async (engine: TestEngine, round: number) => {
    engine.assign(round, { stage: 'mean', base: INITIAL, work: { ...whole, ranges: [...whole.ranges], others: [], row: [] } });
    const { samples, lossSum } = await engine.next('worker.trained');
    engine.commit(stateOf(round, 'mean'), samples);
    engine.order({ type: 'coordinator.save', state: stateOf(round, 'mean') });
    return { lossSum, parameters: (await room.stored(stateOf(round, 'mean'))).tensors.get('parameters') };
  };
  const [left, fresh] = [await room.engine('student', 1), await room.engine('student', 2)];
  const half = { ...whole, column: 1, replicas: 2, ranges: [{ start: 5, end: 10 }], others: [], row: [nobody] };
  left.assign(1, { stage: 'mean', base: INITIAL, work: half });
  // It has given its own part of the step, and waits for that of the other one.
  const client = await room.client(left);
  const about = { of: 'step', peer: 'model', round: asRoundId(1), step: 1, side: 'own' } as const;
  const ask = { type: 'knowledge.get', term: TERM, stage: 'mean', about, specs: [{ of: 'logits' }], half: false } as const;
  const { tensors } = await client.request({ ...ask, specs: [...ask.specs] }, [], PATIENT_MS);
  expect(tensors.map(({ shape }) => shape)).toEqual([[5, 10]]);
  left.order({ type: 'coordinator.abandon', round: asRoundId(1), reason: 'the other one is gone' });
  expect(await make(left, 2)).toEqual(await make(fresh, 3));
});
