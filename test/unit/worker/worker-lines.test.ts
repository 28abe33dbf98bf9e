/** The lines of a worker, from the effects of its session. */

import { beforeEach, expect, test } from 'vitest';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { CoordinatorMessage, CoordinatorMessageOf } from '../../../src/protocol/control.js';
import { startSession, stepSession } from '../../../worker/agent/session.js';
import { DEFAULT_SESSION_TIMING, type Session, type SessionEvent } from '../../../worker/agent/session-types.js';
import { WorkerLines } from '../../../worker/agent/worker-lines.js';
import type { FromEngine } from '../../../worker/engine/engine-message.js';
import { UNMEASURED_CALIBRATION, UNMEASURED_LOSS } from '../../support/no-facts.js';

const ids = { term: asTerm(1), incarnation: asIncarnation(5) };
const endpoint = 'tcp://127.0.0.1:2';
const waitsForWork = 'waits for work: no stage needs it now; the coordinator says what the run waits for';

let lines: WorkerLines;
let session: Session;
let told: string[];

function begin(role: 'teacher' | 'student'): void {
  lines = new WorkerLines(role);
  told = [];
  const plan = { worker: 'w', role, peer: null, host: 'h', pid: 1, schema: '', timing: DEFAULT_SESSION_TIMING };
  session = startSession(plan, 0).state;
}

function play(nowMs: number, event: SessionEvent): void {
  const { state, effects } = stepSession(session, event, nowMs);
  session = state;
  for (const effect of effects) told.push(...lines.linesFor(effect, state.link, nowMs));
}

const say = (nowMs: number, message: CoordinatorMessage) => play(nowMs, { type: 'control', message });
const report = (nowMs: number, message: FromEngine) => play(nowMs, { type: 'engine', engine: 1, message });

/** Until the engine is up. */
function enter(): void {
  const rest = {
    run: 'r',
    renewEveryMs: 1_000,
    leaseMs: 600_000,
    dataEndpoint: endpoint,
    recipe: '{}',
    digests: { splits: {}, modules: {} },
  };
  say(0, { type: 'coordinator.welcome', ...ids, ...rest });
  report(10, { type: 'worker.ready', ...ids, endpoint, engine: 'wasm' });
}

function join(): void {
  enter();
  told.length = 0;
}

/** The engine lives and has done so many batches, second by second. */
function beat(fromMs: number, toMs: number, progress: number): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) {
    report(nowMs, { type: 'engine.progress', progress, images: 0, busyMs: 0, dataBytes: 0, batchMs: 5 });
    play(nowMs, { type: 'tick', controlBytes: 0 });
  }
}

function assign(round: number, { stage = 'together', peer = 'big', column = 0 } = {}): CoordinatorMessageOf<'coordinator.assign'> {
  const others = peer === 'model' ? [] : [{ peer: 'small', incarnation: asIncarnation(6), endpoint }];
  const work = {
    kind: 'train' as const,
    column,
    replicas: 1,
    ranges: [{ start: 0, end: 4 }],
    roundSamples: 4,
    others,
    row: [],
    measures: false,
  };
  const base = { state: { stage, peer, round: 0 }, hash: null, committed: 0, sources: [], isStored: false, init: null };
  return { type: 'coordinator.assign', ...ids, round: asRoundId(round), base, work };
}

function finishRound(nowMs: number, round: number, { stage = 'together', peer = 'big' } = {}): void {
  const figures = { samples: 4, lossSum: 1, correct: 1, trainMs: 1, waitedMs: 0, late: {}, ...UNMEASURED_LOSS };
  report(nowMs, { type: 'worker.trained', ...ids, round: asRoundId(round), ...figures });
  say(nowMs, { type: 'coordinator.commit', ...ids, state: { stage, peer, round }, hash: null, committed: 4 });
}

beforeEach(() => {
  begin('student');
});

test('a student tells of its welcome, its engine, its cell when it changes, the end of a stage, and the end', () => {
  enter();
  say(20, assign(1, { stage: 'baseline', peer: 'model' }));
  const how = { stage: 'baseline', traced: false, precision: 'fp32', threads: 1, note: null } as const;
  for (const nowMs of [30, 31]) report(nowMs, { type: 'worker.prepared', ...ids, ...how });
  finishRound(40, 1, { stage: 'baseline', peer: 'model' });
  for (const round of [2, 3]) {
    say(50, assign(round));
    finishRound(60, round);
  }
  say(70, assign(4, { column: 1 }));
  say(80, { type: 'coordinator.abandon', ...ids, round: asRoundId(4), reason: 'it leaves' });
  say(90, { type: 'coordinator.stop', ...ids, outcome: 'done', message: 'all stages are done' });
  expect(told).toEqual([
    'welcomed to the run r; its engine starts',
    'its engine wasm is up; it waits for work',
    'trains baseline',
    'baseline: trains op by op, fp32, 1 thread',
    'baseline: its part is over, 1 round committed',
    'trains together.big, column 1, with small',
    'trains together.big, column 2, with small',
    'its part of round 4 is dropped: it leaves',
    'together: its part is over, 2 rounds committed',
    'the run is over for this worker (done): all stages are done',
  ]);
});

test('a long wait is told once, with its reason, and so is its end', () => {
  join();
  say(1_000, assign(1));
  beat(1_000, 5_000, 1);
  expect(told.splice(0)).toEqual(['trains together.big, column 1, with small']);
  beat(6_000, 30_000, 1);
  expect(told.splice(0)).toEqual(['waits for the students that train the same images: small']);
  beat(31_000, 32_000, 2);
  expect(told.splice(0)).toEqual(['goes on after 30 s']);
  finishRound(33_000, 1);
  beat(34_000, 60_000, 2);
  expect(told.splice(0)).toEqual([waitsForWork]);
});

test('an engine that computes a long batch does not wait', () => {
  join();
  say(1_000, assign(1));
  told.length = 0;
  beat(1_000, 3_000, 1);
  for (let nowMs = 4_000; nowMs <= 18_000; nowMs += 1_000) play(nowMs, { type: 'tick', controlBytes: 0 });
  expect(told).toEqual([]);
});

test('a report that waits for the others, and for a teacher', () => {
  join();
  say(1_000, { type: 'coordinator.link', ...ids, stage: 'together', version: 1, teachers: [{ incarnation: asIncarnation(9), endpoint }] });
  say(1_000, assign(1));
  told.length = 0;
  beat(1_000, 15_000, 0);
  expect(told.splice(0)).toEqual(['waits for the students that train the same images: small, or for an answer of a teacher']);
  const figures = { samples: 4, lossSum: 1, correct: 1, trainMs: 1, waitedMs: 0, late: {}, ...UNMEASURED_LOSS };
  report(16_000, { type: 'worker.trained', ...ids, round: asRoundId(1), ...figures });
  beat(17_000, 40_000, 0);
  expect(told).toEqual(['goes on after 15 s', 'waits for the other students: its part of round 1 is done']);
});

test('a student of a taught stage that lost its last teacher waits for one', () => {
  join();
  const link = (version: number, ...teachers: number[]) => {
    const addresses = teachers.map((teacher) => ({ incarnation: asIncarnation(teacher), endpoint }));
    say(1_000, { type: 'coordinator.link', ...ids, stage: 'taught', version, teachers: addresses });
  };
  link(1, 9);
  link(2);
  say(1_000, assign(1, { stage: 'taught', peer: 'model' }));
  beat(1_000, 15_000, 0);
  expect(told.splice(0)).toEqual(['trains taught', 'waits for a teacher']);
});

/** An order to do other work than train, on this model. */
function other(work: CoordinatorMessageOf<'coordinator.assign'>['work'], stage: string, peer = 'model') {
  return { ...assign(1, { stage, peer }), work };
}
const evaluate = { kind: 'evaluate' as const, split: 'test', start: 0, end: 4, others: [] };

test('after an evaluation, which no commit follows, it waits for work', () => {
  join();
  say(1_000, other(evaluate, 'baseline'));
  const figures = { correct: 1, count: 4, lossSum: 1, evaluateMs: 1, agreed: {}, parameters: 4, ...UNMEASURED_CALIBRATION };
  report(2_000, { type: 'worker.evaluated', ...ids, round: asRoundId(1), ...figures });
  beat(3_000, 15_000, 1);
  expect(told).toEqual(['tests the model of baseline', waitsForWork]);
});

test('in an evaluation of a taught stage it waits for no teacher', () => {
  join();
  say(1_000, { type: 'coordinator.link', ...ids, stage: 'taught', version: 1, teachers: [{ incarnation: asIncarnation(9), endpoint }] });
  say(1_000, other(evaluate, 'taught'));
  beat(1_000, 15_000, 0);
  const others = [{ peer: 'small', incarnation: asIncarnation(6), endpoint }];
  say(16_000, other({ ...evaluate, others }, 'taught', 'big'));
  beat(16_000, 30_000, 0);
  expect(told).toEqual([
    'tests the model of taught',
    'waits for data',
    'goes on after 15 s',
    'waits for the students that train the same images: small',
  ]);
});

test('a student that is alone in its round waits for no other students, and after a round without samples for work', () => {
  join();
  const figures = { lossSum: 0, correct: 0, trainMs: 1, waitedMs: 0, late: {}, ...UNMEASURED_LOSS };
  const trained = (nowMs: number, samples: number) =>
    report(nowMs, { type: 'worker.trained', ...ids, round: asRoundId(1), samples, ...figures });
  say(1_000, assign(1, { stage: 'baseline', peer: 'model' }));
  trained(2_000, 4);
  beat(3_000, 10_000, 0);
  expect(told.splice(0)).toEqual(['trains baseline', 'waits for the coordinator: its part of round 1 is done']);
  say(11_000, assign(1));
  trained(12_000, 0);
  beat(13_000, 20_000, 0);
  expect(told.slice(-1)).toEqual([waitsForWork]);
});

test('a test of the finished model of an earlier stage is no end of that stage', () => {
  join();
  for (const stage of ['baseline', 'next']) {
    say(1_000, assign(1, { stage, peer: 'model' }));
    finishRound(1_000, 1, { stage, peer: 'model' });
  }
  told.length = 0;
  say(1_000, other(evaluate, 'baseline'));
  say(1_000, { type: 'coordinator.stop', ...ids, outcome: 'done', message: 'all stages are done' });
  const over = 'the run is over for this worker (done): all stages are done';
  expect(told).toEqual(['next: its part is over, 1 round committed', 'tests the model of baseline', over]);
});

test('a wait that was told and then has another reason is told again', () => {
  join();
  say(1_000, assign(1));
  beat(1_000, 10_000, 0);
  told.length = 0;
  say(11_000, { type: 'coordinator.abandon', ...ids, round: asRoundId(1), reason: 's2 (together.small): killed' });
  beat(12_000, 15_000, 0);
  expect(told.splice(0)).toEqual(['its part of round 1 is dropped: s2 (together.small): killed']);
  beat(16_000, 30_000, 0);
  expect(told.splice(0)).toEqual([waitsForWork]);
  say(31_000, assign(2));
  expect(told).toEqual(['goes on after 30 s']);
});

test('a teacher tells which model it loads and that it answers, and does not wait while it serves', () => {
  begin('teacher');
  join();
  beat(1_000, 12_000, 0);
  const from = { stage: 'big', peer: 'model', round: 7 };
  say(13_000, { type: 'coordinator.serve', ...ids, stage: 'small', from, hash: 'a'.repeat(64) });
  report(14_000, { type: 'worker.serving', ...ids, stage: 'small' });
  beat(15_000, 40_000, 0);
  expect(told).toEqual(['waits for a stage that needs a teacher', 'small: loads the model of big', 'small: answers its students']);
});

test('a worker that is refused tells it once, and says when it joins again', () => {
  const message = 'the name w belongs to a live worker';
  const refuse = () => say(100, { type: 'refuse', reason: 'name-taken', of: 'worker.hello', message });
  refuse();
  play(300, { type: 'tick', controlBytes: 0 });
  refuse();
  play(1_000, { type: 'tick', controlBytes: 0 });
  expect(told).toEqual([`is refused, and asks again: ${message}`]);
  join();
  say(2_000, { type: 'refuse', reason: 'old-term', of: 'worker.renew', message: 'term 2' });
  expect(told).toEqual(['joins again: the coordinator was started again']);
});

test('a worker that gets no answer says so once', () => {
  for (let nowMs = 0; nowMs <= 20_000; nowMs += 100) play(nowMs, { type: 'tick', controlBytes: 0 });
  expect(told).toEqual(['no answer yet, it asks on: is a coordinator running at this address?']);
});

test('the reason of a failure is told once', () => {
  join();
  say(20, assign(1));
  report(30, { type: 'worker.failed', ...ids, code: 'loss.invalid', message: 'sum failed' });
  say(40, { type: 'coordinator.abandon', ...ids, round: asRoundId(1), reason: 'worker w: sum failed' });
  expect(told.slice(-2)).toEqual(['it could not do its work: sum failed', 'its part of round 1 is dropped']);
});

test('data that is not on this machine, with the path where it was looked for', () => {
  begin('student');
  enter();
  told = [];
  report(20, { type: 'engine.fetching', split: 'train', path: '/data/mistyped' });
  expect(told).toEqual(['nothing is at /data/mistyped: it takes the split train from the coordinator']);
});
