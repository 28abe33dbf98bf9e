/** One valid message of every type, with every field set to something that is not its default. */

import { NO_SUMS } from '../../src/base/calibration.js';
import { asIncarnation, asRoundId, asTerm } from '../../src/base/ids.js';
import { SCHEMA_HASH } from '../../src/protocol/codec.js';
import type { CoordinatorMessage, WorkerMessage } from '../../src/protocol/control.js';
import type { DataAnswerBody, DataRequestBody } from '../../src/protocol/data.js';
import { PROTOCOL_VERSION } from '../../src/protocol/version.js';
import { LOGITS_SPEC } from '../../src/tensor/knowledge.js';
import type { WireTensor } from '../../src/tensor/tensor.js';

const life = { term: asTerm(3), incarnation: asIncarnation(7) };
const hash = 'ab'.repeat(32);
const round = asRoundId(12);
const endpoint = 'tcp://127.0.0.1:4000';
const ranges = [
  { start: 0, end: 4 },
  { start: 70_000, end: 2 ** 40 },
];

export const WORKER_MESSAGES: readonly WorkerMessage[] = [
  {
    type: 'worker.hello',
    protocol: PROTOCOL_VERSION,
    schema: SCHEMA_HASH,
    worker: 'student-1',
    role: 'student',
    peer: null,
    host: 'höst',
    pid: 4242,
  },
  { type: 'worker.ready', ...life, endpoint, engine: 'wasm' },
  { type: 'worker.renew', ...life, progress: 9, images: 640, busyMs: 12.5, controlBytes: 1000, dataBytes: 2 ** 40 },
  {
    type: 'worker.trained',
    ...life,
    round,
    samples: 512,
    lossSum: -1.25,
    terms: { labels: 700.5, hinton: 12 },
    gradients: { labels: 0.5, hinton: 0.25 },
    sameAsTeacher: 90,
    correct: 100,
    trainMs: 33.3,
    waitedMs: 3.5,
    late: { small: 2 },
  },
  { type: 'worker.notFinite', ...life, round, ranges, message: 'the loss of step 3 of 8 is NaN' },
  { type: 'worker.averaged', ...life, round, attempt: 2, hash, contained: 2048 },
  { type: 'worker.unreachable', ...life, round, attempt: 1, replica: asIncarnation(8), message: 'no answer within 2000 ms' },
  {
    type: 'worker.evaluated',
    ...life,
    round,
    correct: 1700,
    count: 2000,
    lossSum: 901.5,
    calibration: { losses: NO_SUMS.losses.map((_, i) => i / 4), gaps: NO_SUMS.gaps.map((_, i) => i / 8 - 20), judged: 1000 },
    evaluateMs: 120,
    agreed: { small: 1500 },
    parameters: 4266,
  },
  { type: 'worker.serving', ...life, stage: 'distil' },
  { type: 'worker.prepared', ...life, stage: 'distil', traced: true, precision: 'bf16', threads: 2, note: 'slow here' },
  { type: 'worker.failed', ...life, code: 'model.invalid', message: 'the model has no output' },
  { type: 'worker.lost', ...life, code: 'engine.crashed', message: 'the engine ended with signal SIGSEGV' },
  { type: 'worker.checkpoint', ...life },
  { type: 'worker.leave', ...life, message: 'drained' },
];

const state = { stage: 'distil', peer: 'model', round: 12 };
const base = {
  state: { ...state, round: 11 },
  hash,
  committed: 2048,
  sources: [{ incarnation: asIncarnation(8), endpoint }],
  isStored: true,
  init: null,
};

export const COORDINATOR_MESSAGES: readonly CoordinatorMessage[] = [
  {
    type: 'coordinator.welcome',
    ...life,
    run: 'demo',
    renewEveryMs: 500,
    leaseMs: 2500,
    dataEndpoint: endpoint,
    recipe: '{"name":"demo"}',
    digests: { splits: { train: hash }, modules: { 'stages.s.loss.terms[0]': hash } },
  },
  { type: 'coordinator.renewed', ...life },
  {
    type: 'coordinator.assign',
    ...life,
    round,
    base,
    work: {
      kind: 'train',
      column: 1,
      replicas: 3,
      ranges,
      others: [{ peer: 'small', incarnation: asIncarnation(4), endpoint: 'tcp://10.0.0.4:4000' }],
      row: [{ column: 0, incarnation: asIncarnation(5), endpoint, ranges }],
      roundSamples: 1024,
      measures: true,
    },
  },
  {
    type: 'coordinator.assign',
    ...life,
    round,
    base: { ...base, state: { ...state, round: 0 }, hash: null, isStored: false, init: { state: { ...state, stage: 'given' }, hash } },
    work: { kind: 'evaluate', split: 'test', start: 0, end: 2000, others: [] },
  },
  { type: 'coordinator.link', ...life, stage: 'distil', version: 4, teachers: [{ incarnation: asIncarnation(2), endpoint }] },
  {
    type: 'coordinator.average',
    ...life,
    state,
    attempt: 1,
    contributors: [
      { incarnation: life.incarnation, endpoint, samples: 512 },
      { incarnation: asIncarnation(8), endpoint, samples: 511 },
    ],
  },
  { type: 'coordinator.commit', ...life, state, hash, committed: 3072 },
  { type: 'coordinator.commit', ...life, state: { ...state, peer: 'big' }, hash: null, committed: 3072 },
  { type: 'coordinator.save', ...life, state, column: 0, others: [{ column: 2, incarnation: asIncarnation(8), endpoint }] },
  { type: 'coordinator.save', ...life, state, column: 2, others: null },
  { type: 'coordinator.abandon', ...life, round, reason: 'its deadline passed' },
  { type: 'coordinator.conclude', ...life, round },
  { type: 'coordinator.serve', ...life, stage: 'distil', from: { ...state, stage: 'teach' }, hash },
  { type: 'coordinator.stop', ...life, outcome: 'done', message: 'all stages are done' },
  { type: 'refuse', reason: 'old-term', of: 'worker.renew', message: 'this is term 4' },
];

const float32 = (name: string, ...values: number[]): WireTensor => ({
  name,
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const content = { state, ranges, hash, schema: 'cd'.repeat(32) };
const layout = [
  { name: 'parameters', size: 70 },
  { name: 'slots', size: 2 ** 33 },
];
const part = { layout, start: 64 };
const piece = { state, attempt: 2, part: 'average', start: 2, end: 4 } as const;

export const DATA_REQUESTS: readonly (readonly [DataRequestBody, readonly WireTensor[]])[] = [
  [
    {
      type: 'knowledge.get',
      term: life.term,
      stage: 'distil',
      about: { of: 'view', epoch: 2 },
      specs: [
        LOGITS_SPEC,
        { of: 'tap', layer: 'block 1/relu', reduce: null },
        { of: 'flow', from: 'block1', to: 'block 2/relu' },
        { of: 'similarity', layer: 'block 1/relu' },
        { of: 'tap', layer: 'block2', reduce: { name: 'attention', options: { p: 2.5 } } },
      ],
      half: true,
    },
    [{ name: 'samples', dtype: 'int32', shape: [3], data: Int32Array.of(5, -1, 2 ** 31 - 1) }],
  ],
  [
    {
      type: 'knowledge.get',
      term: life.term,
      stage: 'pair',
      about: { of: 'step', peer: 'small', round, step: 7, side: 'other' },
      specs: [LOGITS_SPEC],
      half: false,
    },
    [],
  ],
  [{ type: 'arena.get', term: life.term, ...piece }, []],
  [{ type: 'state.get', term: life.term, state, hash: null, start: 0, end: 64 }, []],
  [{ type: 'slots.get', term: life.term, state, hash, start: 64, end: 128 }, []],
  [
    { type: 'checkpoint.put', ...life, ...content, ...part },
    [float32('parameters', 1, 2, 3), float32('slots'), { name: 'topology', dtype: 'uint8', shape: [2], data: Uint8Array.of(123, 125) }],
  ],
  [{ type: 'checkpoint.get', state, column: 1, start: 64, end: 2 ** 33 }, []],
  [{ type: 'topology.get', stage: 'given', peer: 'model' }, []],
  [{ type: 'split.get', split: 'train', from: 70_000 }, []],
  [{ type: 'image.get', split: 'train' }, [{ name: 'samples', dtype: 'int32', shape: [2], data: Int32Array.of(5, 70_000) }]],
];

export const DATA_ANSWERS: readonly (readonly [DataAnswerBody, readonly WireTensor[]])[] = [
  [
    { type: 'knowledge.answer', stage: 'distil' },
    [
      { name: 'knowledge.0', dtype: 'float32', shape: [2, 3], data: Float32Array.of(0.1, -0.2, 0.3, 4, 5, 6) },
      { name: 'knowledge.1', dtype: 'float16', shape: [3], data: Uint16Array.of(0, 0x3c00, 0xfbff) },
      { name: 'knowledge.2', dtype: 'int8', shape: [3], data: Int8Array.of(-128, 0, 127) },
    ],
  ],
  [{ type: 'arena.answer', ...piece, samples: 512, ranges }, [float32('parameters', -1, 0.5)]],
  [{ type: 'state.answer', ...content, ...part }, [float32('parameters', 1), float32('slots', 2)]],
  [{ type: 'slots.answer', state, hash, schema: 'cd'.repeat(32), ...part }, [float32('slots', 2)]],
  [
    { type: 'topology.answer', stage: 'given', peer: 'model' },
    [{ name: 'topology', dtype: 'uint8', shape: [2], data: Uint8Array.of(123, 125) }],
  ],
  [
    {
      type: 'split.answer',
      split: 'train',
      from: 70_000,
      kind: 'coded',
      count: 70_002,
      height: 224,
      width: 224,
      channels: 3,
      classes: 1000,
    },
    [{ name: 'rows', dtype: 'uint8', shape: [1, 3], data: Uint8Array.of(1, 2, 255) }],
  ],
  [
    { type: 'image.answer', split: 'train' },
    [
      { name: 'sizes', dtype: 'int32', shape: [2], data: Int32Array.of(2, 1) },
      { name: 'images', dtype: 'uint8', shape: [3], data: Uint8Array.of(255, 216, 1) },
    ],
  ],
  [{ type: 'stored' }, []],
  [{ type: 'refuse', reason: 'busy', message: 'later, please' }, []],
];
