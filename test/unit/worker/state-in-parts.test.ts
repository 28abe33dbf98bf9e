/** A state that is larger than a message travels in parts: from another student, to the coordinator's disk and back; nothing half is ever used. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asRoundId } from '../../../src/base/ids.js';
import type { Base } from '../../../src/protocol/control.js';
import type { DataAnswerOf, DataMessage, DataRequest } from '../../../src/protocol/data.js';
import { type DataReply, type DataServer, refusal, serveData } from '../../../src/rpc/data-server.js';
import { EngineRoom, PATIENT_MS, stateOf, TERM, type TestEngine } from './engine-room.js';

/** The elements of a part; the model `small` has 1,066 parameters, and Adam twice as many slots. */
const ELEMENTS = 300;
const PARTS = Math.ceil((3 * 1_066 + 1) / ELEMENTS);
const STAGE = { kind: 'train', model: 'small', on: 'train', test: 'test', epochs: 3, batch: 8, optimizer: { name: 'adam', rate: 0.01 } };

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open({ plain: STAGE });
});
afterEach(() => room.close());

/** A student that has trained and committed a round alone, and the base that it made. */
async function trained(): Promise<{ readonly first: TestEngine; readonly base: Base }> {
  const first = await room.engine('student', 1, { partElements: ELEMENTS });
  first.train(1, 0, 16);
  await first.next('worker.trained');
  const base = first.commit(stateOf(1), 16);
  return { first, base: { ...base, sources: [{ incarnation: first.incarnation, endpoint: first.endpoint }] } };
}

/** The parameters that a student has trained in round 2. */
async function arenaOf(engine: TestEngine): Promise<unknown> {
  const client = await room.client(engine);
  const body = { type: 'arena.get', term: TERM, state: stateOf(2), attempt: 1, part: 'trained', start: 0, end: 1_066 } as const;
  return (await client.request(body, [], PATIENT_MS)).tensors[0]?.data;
}

/** The requests to the coordinator from now on; `on` is called with their number so far before each is answered. */
function watch(on: (count: number) => void = () => {}): DataRequest[] {
  const seen: DataRequest[] = [];
  room.onRequest = (request) => {
    seen.push(request);
    on(seen.length);
  };
  return seen;
}

test('a joiner takes a state in parts, from a student and from the disk, with the same bits', async () => {
  const { first, base } = await trained();
  const puts = watch();
  first.order({ type: 'coordinator.save', state: stateOf(1) });
  const { info } = await room.stored(stateOf(1));
  expect(puts).toMatchObject(Array.from({ length: PARTS }, (_, i) => ({ type: 'checkpoint.put', start: i * ELEMENTS })));

  const joiner = await room.engine('student', 2, { partElements: ELEMENTS });
  const resumed = await room.engine('student', 3, { partElements: ELEMENTS });
  const gets = watch();
  const students = [first, joiner, resumed];
  for (const student of [first, joiner]) student.train(2, 16, 40, { base, replicas: 3 });
  resumed.train(2, 16, 40, { base: { ...base, sources: [], hash: info.hash, isStored: true }, replicas: 3 });
  await Promise.all(students.map((student) => student.next('worker.trained')));
  expect(gets).toMatchObject(Array.from({ length: PARTS }, (_, i) => ({ type: 'checkpoint.get', start: i * ELEMENTS })));
  const arenas = await Promise.all(students.map(arenaOf));
  expect(arenas[1]).toEqual(arenas[0]);
  expect(arenas[2]).toEqual(arenas[0]);
});

/** A server in front of a student: it answers about the part that begins at `start` as `answer` says, which may ask the student. */
async function holderBefore(
  student: TestEngine,
  answer: (start: number, ask: () => Promise<DataMessage<DataAnswerOf<'state.answer'>>>) => Promise<DataReply>,
): Promise<DataServer> {
  const client = await room.client(student);
  return serveData({
    transport: room.transport,
    endpoint: 'tcp://127.0.0.1:*',
    async answer({ header }) {
      if (header.type !== 'state.get') return refusal('missing', header.type);
      return answer(header.start, () => client.request(header, [], PATIENT_MS));
    },
  });
}

test('a holder that ends between two parts: the state comes from the disk, from its first part on', async () => {
  const { first, base } = await trained();
  first.order({ type: 'coordinator.save', state: stateOf(1) });
  const { info } = await room.stored(stateOf(1));
  const asked: number[] = [];
  // It gives the first two parts of the state, and then refuses, as a student that has gone on does.
  const holder = await holderBefore(first, async (start, ask) => {
    asked.push(start);
    return asked.length > 2 ? refusal('wrong-round', 'gone on') : ask();
  });
  const joiner = await room.engine('student', 2, { partElements: ELEMENTS });
  const gets = watch();
  const sources = [{ incarnation: first.incarnation, endpoint: holder.endpoint }];
  joiner.train(2, 16, 40, { base: { ...base, sources, hash: info.hash, isStored: true }, replicas: 2 });
  first.train(2, 16, 40, { base, replicas: 2 });
  await Promise.all([first, joiner].map((student) => student.next('worker.trained')));
  expect(asked).toEqual([0, ELEMENTS, 2 * ELEMENTS]);
  expect(gets).toHaveLength(PARTS);
  expect(await arenaOf(joiner)).toEqual(await arenaOf(first));
  await holder.close();
});

test.each<[string, (start: number) => Record<string, unknown>, RegExp]>([
  ['of another state', () => ({ hash: 'a'.repeat(64) }), /different states/],
  ['of another place', (start) => ({ start: start + 1 }), /begins at the element/],
  ['with another number', () => ({}), /do not match their hash/],
])('a part %s is refused, and the student says so', async (what, change, message) => {
  const { first, base } = await trained();
  const holder = await holderBefore(first, async (start, ask) => {
    const { header, tensors } = await ask();
    if (start !== ELEMENTS) return { header, tensors };
    const copies = tensors.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
    if (what === 'with another number') present(copies[0], 'a piece').data[7] = 0.5;
    return { header: { ...header, ...change(start) }, tensors: copies };
  });
  const joiner = await room.engine('student', 2, { partElements: ELEMENTS });
  const sources = [{ incarnation: first.incarnation, endpoint: holder.endpoint }];
  joiner.train(2, 16, 40, { base: { ...base, sources }, replicas: 2 });
  const { code, message: said } = await joiner.next('worker.failed');
  expect(code).toBe('request.refused');
  expect(said).toMatch(message);
  await holder.close();
});

test('a fetch that nobody wants any more asks for no further part', async () => {
  const { first, base } = await trained();
  const joiner = await room.engine('student', 2, { partElements: ELEMENTS });
  const asked: number[] = [];
  const holder = await holderBefore(first, async (start, ask) => {
    asked.push(start);
    const answer = await ask();
    if (asked.length === 2) joiner.order({ type: 'coordinator.abandon', round: asRoundId(2), reason: 'a test' });
    return answer;
  });
  const sources = [{ incarnation: first.incarnation, endpoint: holder.endpoint }];
  joiner.train(2, 16, 40, { base: { ...base, sources }, replicas: 2 });
  while (asked.length < 2) await new Promise(setImmediate);
  joiner.train(3, 0, 16);
  await joiner.next('worker.trained');
  expect(asked).toEqual([0, ELEMENTS]);
  await holder.close();
});

test('a student whose put fails between two parts leaves no checkpoint, and another one stores it whole', async () => {
  const { first, base } = await trained();
  const second = await room.engine('student', 2, { partElements: ELEMENTS });
  for (const student of [first, second]) student.train(2, 16, 40, { base, replicas: 2 });
  await Promise.all([first, second].map((student) => student.next('worker.trained')));
  const seen = watch((count) => {
    if (count === 3) room.isFull = true;
  });
  first.order({ type: 'coordinator.save', state: stateOf(1), others: [] });
  expect((await first.next('worker.failed')).code).toBe('checkpoint.unwritable');
  expect(seen).toHaveLength(3);
  expect(room.store.list().whole).toEqual([]);
  room.isFull = false;
  second.order({ type: 'coordinator.save', state: stateOf(1), others: [] });
  expect((await room.stored(stateOf(1))).info.state).toEqual(stateOf(1));
});
