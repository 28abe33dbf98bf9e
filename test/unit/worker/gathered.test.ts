/** `batch: gathered`: students that average after each step learn from relations of their whole batch, as one student does. */

import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asIncarnation, asRoundId } from '../../../src/base/ids.js';
import type { RowCell, Work } from '../../../src/protocol/control.js';
import { serveData } from '../../../src/rpc/data-server.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';
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
  // The last step of an epoch has 2 images: one of three students has none.
  tail: taughtBy(
    { module: NEIGHBOURS, weight: 0.1, ...GATHERED },
    { epochs: 2, batch: { global: 29 }, optimizer: { name: 'sgd', rate: 0.05 } },
  ),
  each: taughtBy({ loss: 'similarity', weight: 30 }),
  half: taughtBy({ loss: 'similarity', weight: 30, ...GATHERED }, { wire: 'half' }),
  /** A loss of each image, which keeps a memory of all, beside a gathered one. */
  contrasted: taughtBy(
    {},
    {
      loss: {
        labels: { weight: 1 },
        terms: [
          { loss: 'crd', taps: [['flatten', 'hidden']], weight: 0.02, negatives: 20, width: 4 },
          { loss: 'similarity', taps: TAPS, weight: 30, ...GATHERED },
        ],
      },
    },
  ),
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

/** The memory of crd has the rows of every student, but its Z is, at the first step, of the own images of each: the steps differ from then on. */
const APART: Readonly<Record<string, number>> = { contrasted: 5e-3 };

test.each<[string, readonly number[]]>([
  ['rkd', [2, 3]],
  ['similarity', [3]],
  ['pkt', [2]],
  ['module', [3]],
  ['uneven', [2, 3]],
  ['mean', [2, 3]],
  ['contrasted', [2]],
  ['tail', [3]],
])('%s: one student makes the same parameters as %j', async (stage, counts) => {
  const alone = await runOf(stage, 1);
  for (const students of counts) {
    const { rounds, parameters } = await runOf(stage, students);
    expect(rounds).toEqual(alone.rounds);
    expect(largestDifference(parameters, alone.parameters), `${students} students`).toBeLessThan(APART[stage] ?? 1e-5);
  }
});

test('relations of each student alone make other parameters; knowledge in float16 makes almost the same', async () => {
  const [alone, each, half] = [await runOf('similarity', 1), await runOf('each', 2), await runOf('half', 2)];
  expect(largestDifference(each.parameters, alone.parameters)).toBeGreaterThan(1e-3);
  const apart = largestDifference(half.parameters, alone.parameters);
  expect(apart).toBeGreaterThan(1e-5);
  expect(apart).toBeLessThan(1e-2);
});

/** The work of a column: by default of half of a step of 10 images, in a row with this other cell. */
function workOf(column: 0 | 1, other: Pick<RowCell, 'incarnation' | 'endpoint'> | null, more: Partial<TrainWork> = {}): TrainWork {
  const halves = [
    { start: 0, end: 5 },
    { start: 5, end: 10 },
  ];
  const row =
    other === null ? [] : [{ incarnation: other.incarnation, endpoint: other.endpoint, column: 1 - column, ranges: [halves[1 - column]!] }];
  const whole = { kind: 'train', roundSamples: 10, others: [], measures: false } as const;
  return { ...whole, column, replicas: row.length + 1, ranges: [halves[column]!], others: [], row, ...more };
}

type TrainWork = Extract<Work, { kind: 'train' }>;

/** Makes a whole step alone. */
async function makeAlone(engine: TestEngine, round: number) {
  const work = workOf(0, null, { ranges: [{ start: 0, end: 10 }] });
  engine.assign(round, { stage: 'mean', base: INITIAL, work });
  const { samples, lossSum } = await engine.next('worker.trained');
  engine.commit(stateOf(round, 'mean'), samples);
  engine.order({ type: 'coordinator.save', state: stateOf(round, 'mean') });
  return { lossSum, tensors: (await room.stored(stateOf(round, 'mean'))).tensors };
}

const NOBODY = { incarnation: asIncarnation(9), endpoint: 'tcp://127.0.0.1:9' };
const ABANDON = { type: 'coordinator.abandon', round: asRoundId(1), reason: 'the other one is gone' } as const;

test('a student whose row is withdrawn from a round makes the step again with its new ranges', async () => {
  const [left, fresh] = [await room.engine('student', 1), await room.engine('student', 2)];
  left.assign(1, { stage: 'mean', base: INITIAL, work: workOf(1, NOBODY) });
  // It has given its own part of the step, and waits for that of the other one.
  const client = await room.client(left);
  const about = { of: 'step', peer: 'model', round: asRoundId(1), step: 1, side: 'own' } as const;
  const ask = { type: 'knowledge.get', term: TERM, stage: 'mean', about, specs: [{ of: 'logits' }], half: false } as const;
  const { tensors } = await client.request({ ...ask, specs: [...ask.specs] }, [], PATIENT_MS);
  expect(tensors.map(({ shape }) => shape)).toEqual([[5, 10]]);
  left.order(ABANDON);
  expect(await makeAlone(left, 2)).toEqual(await makeAlone(fresh, 3));
});

test('and so does one that has made its part of the step, with the momentum of before', async () => {
  const [left, gone, fresh] = [await room.engine('student', 1), await room.engine('student', 2), await room.engine('student', 3)];
  left.assign(1, { stage: 'mean', base: INITIAL, work: workOf(0, gone) });
  gone.assign(1, { stage: 'mean', base: INITIAL, work: workOf(1, left) });
  await left.next('worker.trained');
  left.order(ABANDON);
  expect(await makeAlone(left, 2)).toEqual(await makeAlone(fresh, 3));
});

test('the lengths of the gradients are those before the step, with an exchange as without, and the step stays the same', async () => {
  const lengthsOf = async (measures: boolean) => {
    const [first, second] = [await room.engine('student', 1), await room.engine('student', 2)];
    first.assign(1, { stage: 'mean', base: INITIAL, work: workOf(0, second, { measures }) });
    second.assign(1, { stage: 'mean', base: INITIAL, work: workOf(1, first) });
    const { gradients } = await first.next('worker.trained');
    const contributors = [first.contributor(5), second.contributor(5)];
    const state = stateOf(1, 'mean');
    for (const engine of [first, second]) engine.order({ type: 'coordinator.average', state, attempt: 1, contributors });
    return { gradients, hash: (await first.next('worker.averaged')).hash };
  };
  const alone = await room.engine('student', 3);
  alone.assign(1, { stage: 'mean', base: INITIAL, work: workOf(0, null, { measures: true }) });
  const { gradients: expected } = await alone.next('worker.trained');
  const { gradients, hash } = await lengthsOf(true);
  // The labels are of the own images alone; the other part is of both halves.
  expect(expected.labels).toBeGreaterThan(0);
  expect(gradients.labels).toBeCloseTo(present(expected.labels, 'the length of the labels'), 5);
  expect(Object.keys(gradients)).toEqual(Object.keys(expected));
  expect((await lengthsOf(false)).hash).toBe(hash);
});

function tensor(place: number, width: number): WireTensor {
  return { name: `knowledge.${place}`, dtype: 'float32', shape: [5, width], data: new Float32Array(5 * width) };
}

test.each<[string, readonly WireTensor[], string]>([
  ['of another shape', [tensor(0, 9)], 'knowledge.0 of [5,9], and [5,10] was asked for'],
  ['of two tensors', [tensor(0, 10), tensor(1, 10)], '2 tensors, and 1 were asked for'],
])('an answer %s is refused, and its cell is named', async (_, tensors, words) => {
  const header = { type: 'knowledge.answer', stage: 'mean' } as const;
  const answer = async () => ({ header, tensors });
  const server = await serveData({ transport: room.transport, endpoint: 'tcp://127.0.0.1:*', answer });
  const student = await room.engine('student', 1);
  student.assign(1, { stage: 'mean', base: INITIAL, work: workOf(0, { ...NOBODY, endpoint: server.endpoint }) });
  const { code, message } = await student.next('worker.failed');
  expect(code).toBe('protocol.invalid');
  expect(message).toMatch(/^stage mean, round 1, step 1, peer model, incarnation 9: the answer has /);
  expect(message).toContain(words);
  expect(message).toContain(server.endpoint);
  await server.close();
});
