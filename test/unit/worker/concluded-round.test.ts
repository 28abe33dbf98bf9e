/** A round that is asked to conclude while its students wait for a teacher that does not answer: what was trained is kept, to the bit. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asIncarnation, asRoundId } from '../../../src/base/ids.js';
import type { DataMessage, DataRequest } from '../../../src/protocol/data.js';
import { type DataReply, type DataServer, refusal, serveData } from '../../../src/rpc/data-server.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import { EngineRoom, INITIAL, PATIENT_MS, stateOf, TERM, type TestEngine } from './engine-room.js';
import { assignColumn, type CellEngine, COURSE_STAGES, columnOf, stateAt, tensorsOf } from './mutual-course.js';

const TAUGHT = { teacher: 'large', fromTeacher: { temperature: 4 } };
const STAGES = { pair: { ...COURSE_STAGES.pair, ...TAUGHT }, three: { ...COURSE_STAGES.three, ...TAUGHT } };
const BATCH = 8;
const CLASSES = 10;

let room: EngineRoom;
const teachers: DataServer[] = [];
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(async () => {
  for (const teacher of teachers.splice(0)) await teacher.close();
  await room.close();
});

/** Links the student with a teacher of its own that answers about so many views, and then no more. */
async function link(engine: TestEngine, stage: string, views: number, version = 1): Promise<void> {
  let left = views;
  const answer = async ({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> => {
    if (header.type !== 'knowledge.get' || header.about.of !== 'view') return refusal('invalid-message', header.type);
    left -= 1;
    if (left < 0) await new Promise(() => {});
    const rows = tensors[0]?.shape[0] ?? 0;
    const data = Float32Array.from({ length: rows * CLASSES }, (_, i) => (i % 7) - 3);
    return {
      header: { type: 'knowledge.answer', stage: header.stage },
      tensors: [{ name: 'knowledge.0', dtype: 'float32', shape: [rows, CLASSES], data }],
    };
  };
  const server = await serveData({ transport: room.transport, endpoint: 'tcp://127.0.0.1:*', answer });
  teachers.push(server);
  const incarnation = asIncarnation(100 + teachers.length);
  engine.order({ type: 'coordinator.link', stage, version, teachers: [{ incarnation, endpoint: server.endpoint }] });
}

/** Resolves when this cell has given its step. */
async function given({ peer, engine }: CellEngine, stage: string, step: number): Promise<void> {
  const client = await room.client(engine);
  const about = { of: 'step' as const, peer, round: asRoundId(1), step, side: 'own' as const };
  await client.request({ type: 'knowledge.get', term: TERM, stage, about, specs: [{ of: 'logits' }], half: false }, [], PATIENT_MS);
}

/** Trains the samples from 24 on in another round, and answers the states after it. */
async function goOn(column: readonly CellEngine[], stage: string): Promise<readonly StateTensors[]> {
  for (const { peer, engine } of column) {
    engine.commit(stateAt(stage, peer, 1), 24);
    await link(engine, stage, 9, 2);
  }
  assignColumn(column, { stage, round: 2, start: 24, end: 56, committed: 24 });
  for (const { peer, engine } of column) {
    await engine.next('worker.trained');
    engine.commit(stateAt(stage, peer, 2), 56);
  }
  const states: StateTensors[] = [];
  for (const cell of column) states.push(await tensorsOf(room, cell, { stage, round: 2 }));
  return states;
}

describe('a column', () => {
  // How many views each cell hears of: the least of them is the number of steps.
  test.each([
    ['one of two cells waits for its teacher', 'pair', ['big', 'small'], [3, 5]],
    ['both wait for it', 'pair', ['big', 'small'], [3, 3]],
    ['two of three wait for it', 'three', ['a', 'b', 'c'], [3, 3, 4]],
  ] as const)('%s: all end with the step before, and go on as if the round had been planned so', async (_, stage, peers, views) => {
    const column = await columnOf(room, peers, 1);
    for (const [i, { engine }] of column.entries()) await link(engine, stage, views[i]!);
    assignColumn(column, { stage, round: 1, start: 0, end: 56, committed: 0 });
    for (const [i, cell] of column.entries()) await given(cell, stage, Math.min(views[i]!, 4));
    const startMs = performance.now();
    for (const { engine } of column) engine.order({ type: 'coordinator.conclude', round: asRoundId(1) });
    for (const { engine } of column) expect((await engine.next('worker.trained')).samples).toBe(3 * BATCH);
    expect(performance.now() - startMs).toBeLessThan(8000);
    const found = await goOn(column, stage);

    const planned = await columnOf(room, peers, 11);
    for (const { engine } of planned) await link(engine, stage, 3);
    assignColumn(planned, { stage, round: 1, start: 0, end: 24, committed: 0 });
    for (const { engine } of planned) expect((await engine.next('worker.trained')).samples).toBe(3 * BATCH);
    expect(found).toEqual(await goOn(planned, stage));
  });
});

test('one student ends with its last step at once', async () => {
  const student = await room.engine('student', 1);
  await link(student, 'taught', 3);
  student.train(1, 0, 56, { stage: 'taught', base: INITIAL });
  // The meter counts each step when it is made.
  while ((student.progress.at(-1)?.images ?? 0) < 3 * BATCH) await new Promise((resolve) => setImmediate(resolve));
  student.order({ type: 'coordinator.conclude', round: asRoundId(1) });
  expect((await student.next('worker.trained')).samples).toBe(3 * BATCH);
  student.commit(stateOf(1, 'taught'), 24);
});
