/** The coordinator's data server on real sockets: what it takes, what it hands out, and what it refuses. */

import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CoreEvent } from '../../../coordinator/core/types.js';
import { DataStore } from '../../../coordinator/shell/data-store.js';
import { takeTerm } from '../../../coordinator/shell/term.js';
import { present } from '../../../src/base/assert.js';
import { systemClock } from '../../../src/base/clock.js';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { putToWire } from '../../../src/checkpoint/checkpoint-wire.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { totalOf } from '../../../src/data/shard-plan.js';
import type { CoordinatorMessage } from '../../../src/protocol/control.js';
import type { DataRequestBody } from '../../../src/protocol/data.js';
import { openDataClient } from '../../../src/rpc/data-client.js';
import { serveData } from '../../../src/rpc/data-server.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { elementsOf, layoutOf, partsOf, partToWire, StateAssembly } from '../../../src/tensor/state-parts.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';
import { feedOf, NO_DATA } from '../../support/split-feed.js';
import { contentOf, stateOf, topologyFor } from '../checkpoint/content.js';
import { type LogLine, recordingLogger } from './recording-logger.js';
import { scratchFolder } from './scratch-folder.js';

const DEADLINE_MS = 10_000;
const incarnation = asIncarnation(3);
const term = asTerm(1);

async function opened() {
  const folder = scratchFolder();
  const terms = join(folder, 'terms');
  const held = await takeTerm(terms, {});
  const store = await openCheckpointStore(join(folder, 'checkpoints'));
  const lines: LogLine[] = [];
  const events: CoreEvent[] = [];
  const over: unknown[] = [];
  const data = new DataStore({
    term: held,
    store,
    feed: feedOf(NO_DATA, {}),
    logger: recordingLogger(lines),
    onStored: (event) => events.push(event),
    onOver: (error) => over.push(error),
  });
  const server = await serveData({ transport: zmqTransport, endpoint: 'tcp://127.0.0.1:*', answer: (request) => data.answer(request) });
  const client = await openDataClient({ transport: zmqTransport, endpoint: server.endpoint, clock: systemClock });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  const ask = (body: DataRequestBody, tensors: readonly WireTensor[] = []) => client.request(body, tensors, DEADLINE_MS);
  return { terms, store, lines, events, over, data, ask };
}

/** More elements than a state has here. */
const WHOLE = { start: 0, end: 1e6 };

const save = (round: number): CoordinatorMessage => {
  return { type: 'coordinator.save', term, incarnation, state: stateOf(round), column: 0, others: [] };
};

/** The message of the core before a put. `hash`: null for a commit of one replica. */
function commitAndSave(data: DataStore, round: number, hash: string | null = contentOf(round).info.hash): void {
  data.expect({
    type: 'coordinator.commit',
    term,
    incarnation,
    state: stateOf(round),
    hash,
    committed: totalOf(contentOf(round).info.ranges),
  });
  data.expect(save(round));
}

function put(round: number, change: object = {}): [DataRequestBody, WireTensor[]] {
  const [only] = putInParts(round, 1e6, change);
  return present(only, 'the only part');
}

const storedOf = (events: readonly CoreEvent[]) => events.filter(({ type }) => type === 'checkpoint-stored');

/** The puts of a checkpoint in parts of so many elements. */
function putInParts(round: number, elements: number, change: object = {}): [DataRequestBody, WireTensor[]][] {
  const { info, ...content } = contentOf(round);
  const layout = layoutOf(content.tensors);
  return partsOf(layout, elements).map((part) => {
    const fields = { ...info, ranges: [...info.ranges], layout, start: part.start, ...change };
    return [{ type: 'checkpoint.put', incarnation, ...fields } as DataRequestBody, putToWire(content, part)];
  });
}

const floats = (name: string, data: Float32Array): WireTensor => ({ name, dtype: 'float32', shape: [data.length], data });
const file = (name: string, text: string): WireTensor => {
  const data = new TextEncoder().encode(text);
  return { name, dtype: 'uint8', shape: [data.length], data };
};
const spell = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const refusedWith = (reason: string, message: RegExp = /./) =>
  expect.objectContaining({ code: 'request.refused', reason, message: expect.stringMatching(message) });

describe('checkpoints', () => {
  test('hands out the optimiser of a column, or that of the first, which the log says', async () => {
    const { data, ask, lines, events } = await opened();
    const slots = { name: 'slots.1', dtype: 'float32', shape: [2], data: Float32Array.of(5, 6) } as const;
    commitAndSave(data, 2);
    const { info, tensors, topology } = contentOf(2);
    const all = new Map([...tensors, [slots.name, slots.data]]);
    const part = { layout: layoutOf(all), start: 0 };
    const put = { type: 'checkpoint.put', incarnation, ...info, ranges: [...info.ranges], ...part } as DataRequestBody;
    await ask(put, putToWire({ tensors: all, topology }, { start: 0, end: elementsOf(part.layout) }));
    expect(events).toMatchObject([{ type: 'checkpoint-stored', slotsOf: 2 }]);
    const slotsFor = async (column: number | null) => (await ask({ type: 'checkpoint.get', state: stateOf(2), column, ...WHOLE })).tensors;
    expect((await slotsFor(1)).find(({ name }) => name === 'slots')?.data).toEqual(slots.data);
    for (const column of [null, 0]) expect(await slotsFor(column)).toEqual(partToWire(tensors, WHOLE));
    expect(lines.filter(({ event }) => event === 'checkpoint.slotsOfAnother')).toEqual([]);
    expect(await slotsFor(2)).toEqual(partToWire(tensors, WHOLE));
    expect(lines).toContainEqual(expect.objectContaining({ event: 'checkpoint.slotsOfAnother' }));
  });

  test('one that was asked for is stored, told to the core, and handed out again', async () => {
    const { data, ask, events, store } = await opened();
    commitAndSave(data, 2);
    expect((await ask(...put(2))).header.type).toBe('stored');
    expect(events).toEqual([{ type: 'checkpoint-stored', slotsOf: 1, checkpoint: contentOf(2).info }]);
    expect(store.list().whole).toEqual([contentOf(2).info]);
    const { header, tensors } = await ask({ type: 'checkpoint.get', state: stateOf(2), column: 0, ...WHOLE });
    const { state, ranges, hash, schema } = contentOf(2).info;
    expect(header).toMatchObject({ type: 'state.answer', state, ranges, hash, schema });
    expect(tensors).toEqual(partToWire(contentOf(2).tensors, WHOLE));
  });

  test.each([1, 3, 50, 106])('one in parts of %i elements is stored whole with the last, and handed out in parts', async (elements) => {
    const { data, ask, events, store } = await opened();
    commitAndSave(data, 2);
    const parts = putInParts(2, elements);
    for (const [i, part] of parts.entries()) {
      expect({ stored: storedOf(events), whole: store.list().whole }, `before part ${i}`).toEqual({ stored: [], whole: [] });
      expect((await ask(...part)).header.type).toBe('stored');
      // Its answer was lost: it comes again.
      if (i % 7 === 0) expect((await ask(...part)).header.type).toBe('stored');
    }
    expect(storedOf(events)[0]).toEqual({ type: 'checkpoint-stored', slotsOf: 1, checkpoint: contentOf(2).info });
    // One with each part before the last, and none with those that came again.
    expect(events.filter(({ type }) => type === 'checkpoint-part')).toHaveLength(parts.length - 1);
    expect(await store.get(stateOf(2))).toEqual(contentOf(2));
    const assembly = new StateAssembly(layoutOf(contentOf(2).tensors));
    while (!assembly.isWhole) {
      const part = { start: assembly.taken, end: assembly.taken + elements };
      const { header, tensors } = await ask({ type: 'checkpoint.get', state: stateOf(2), column: 0, ...part });
      expect(header).toMatchObject({ layout: layoutOf(contentOf(2).tensors), start: part.start });
      expect(assembly.take(part.start, tensors)).toBe(null);
    }
    expect(assembly.tensors()).toEqual(contentOf(2).tensors);
  });

  test('a part without those before it, or of another put than the one under way, is refused; the first begins again', async () => {
    const { data, ask, events, store } = await opened();
    commitAndSave(data, 2);
    commitAndSave(data, 3);
    const [first, second, last] = putInParts(2, 40);
    await expect(ask(...second!)).rejects.toEqual(refusedWith('missing', /begin with the first part/));
    await ask(...first!);
    await expect(ask(...last!)).rejects.toEqual(refusedWith('missing', /the elements before 80 are not here/));
    await ask(...second!);
    const [other] = putInParts(3, 40);
    await ask(...other!);
    await expect(ask(...last!)).rejects.toEqual(refusedWith('missing'));
    const partsOfTwo = () => events.filter((event) => event.type === 'checkpoint-part' && event.state.round === 2);
    expect(partsOfTwo()).toHaveLength(2);
    for (const part of putInParts(2, 40)) await ask(...part);
    expect(store.list().whole).toEqual([contentOf(2).info]);
    expect(partsOfTwo(), 'a put that begins again has no longer time').toHaveLength(2);
  });

  test('one with a changed part is refused when the last has come', async () => {
    const { data, ask, store } = await opened();
    commitAndSave(data, 2);
    const parts = putInParts(2, 40);
    parts[1]![1][0]!.data[4] = 0.125;
    for (const part of parts.slice(0, -1)) await ask(...part);
    await expect(ask(...parts.at(-1)!)).rejects.toEqual(refusedWith('invalid-message', /hash/));
    expect(store.list().whole).toEqual([]);
    for (const part of putInParts(2, 40)) await ask(...part);
    expect(store.list().whole).toEqual([contentOf(2).info]);
  });

  test('of a commit without a hash the first put says which it is', async () => {
    const { data, ask, events } = await opened();
    commitAndSave(data, 2, null);
    expect((await ask(...put(2))).header.type).toBe('stored');
    expect(events).toEqual([{ type: 'checkpoint-stored', slotsOf: 1, checkpoint: contentOf(2).info }]);
    await expect(ask(...put(2, { hash: 'a'.repeat(64) }))).rejects.toEqual(refusedWith('wrong-round'));
  });

  test('a put whose answer was lost can be repeated', async () => {
    const { data, ask, store } = await opened();
    commitAndSave(data, 2);
    await ask(...put(2));
    expect((await ask(...put(2))).header.type).toBe('stored');
    expect(store.list().whole).toHaveLength(1);
  });

  test.each([
    ['of an older or another term', { term: asTerm(2) }, 'old-term'],
    ['of another incarnation', { incarnation: asIncarnation(4) }, 'wrong-round'],
    ['of another round', { state: stateOf(3) }, 'wrong-round'],
    ['of another peer', { state: { ...stateOf(2), peer: 'other' } }, 'wrong-round'],
    ['of another stage', { state: stateOf(2, 'other') }, 'wrong-round'],
    ['of other parameters than were committed', { hash: 'a'.repeat(64) }, 'wrong-round'],
    ['of more samples than were committed', { ranges: [{ start: 0, end: 1_000 }] }, 'wrong-round'],
  ])('one %s is refused', async (_, change, reason) => {
    const { data, ask, events, store, lines } = await opened();
    commitAndSave(data, 2);
    await expect(ask(...put(2, change))).rejects.toEqual(refusedWith(reason));
    expect({ events, whole: store.list().whole }).toEqual({ events: [], whole: [] });
    expect(lines).toMatchObject([{ level: 'warn', event: 'data.refused', fields: { of: 'checkpoint.put', reason } }]);
  });

  test('one whose parameters are not what their hash says is refused', async () => {
    const { data, ask, store } = await opened();
    commitAndSave(data, 2);
    const [body, tensors] = put(2);
    tensors[0]!.data[4] = 0.125;
    await expect(ask(body, tensors)).rejects.toEqual(refusedWith('invalid-message', /hash/));
    expect(store.list().whole).toEqual([]);
  });

  test('one with a NaN is refused, naming its place', async () => {
    const { data, ask } = await opened();
    commitAndSave(data, 2);
    const [body, tensors] = put(2);
    tensors[0]!.data[4] = Number.NaN;
    await expect(ask(body, tensors)).rejects.toEqual(refusedWith('not-finite', /parameters\[4\]/));
  });

  test('other tensors than a checkpoint has are refused', async () => {
    const { data, ask } = await opened();
    commitAndSave(data, 2);
    const [body, [parameters, slots, topology]] = put(2);
    const bad = [
      [],
      [slots!, topology!],
      [slots!, parameters!, topology!],
      [parameters!, slots!, slots!, topology!],
      [{ ...parameters!, shape: [10, 10] }, slots!, topology!],
      [file('parameters', 'abcd'), slots!, topology!],
    ];
    for (const tensors of bad) await expect(ask(body, tensors)).rejects.toEqual(refusedWith('invalid-message', /the tensors of a state/));
    await expect(ask(body, [parameters!, topology!])).rejects.toEqual(refusedWith('invalid-message', /comes with its last part/));
    const layouts: [{ name: string; size: number }[], RegExp][] = [
      [[{ name: 'parameters', size: 107 }], /there is no tensor slots/],
      [[...['parameters', 'slots', 'slots'].map((name) => ({ name, size: 50 }))], /there are two tensors slots/],
      [['slots', 'parameters'].map((name) => ({ name, size: 2 ** 32 })), /8589934592 elements are more than a state has/],
    ];
    for (const [layout, problem] of layouts) {
      await expect(ask({ ...body, layout } as DataRequestBody, [parameters!])).rejects.toEqual(refusedWith('invalid-message', problem));
    }
  });

  test.each<[string, (topology: WireTensor) => WireTensor[], RegExp]>([
    ['without a topology', () => [], /one tensor topology, uint8/],
    ['with two', (topology) => [topology, topology], /one tensor topology, uint8/],
    ['with a topology of floats', () => [floats('topology', new Float32Array(2))], /one tensor topology, uint8/],
    ['with a topology that is no JSON', () => [file('topology', '{"format":')], /the topology of a checkpoint: it is not JSON/],
    ['with one of another model', () => [file('topology', spell(topologyFor(99)))], /it describes 99 parameters, and 100 were sent/],
    ['with one without layers', () => [file('topology', '{"format":"layers-model"}')], /the topology of a checkpoint: generatedBy/],
    ['with one that is nested for ever', () => [file('topology', '['.repeat(1e6))], /nested more than 128 levels/],
    ['with one of 9 MB', () => [file('topology', ' '.repeat(9e6))], /it has 9000000 bytes; at most 8388608 are allowed/],
  ])('one %s is refused', async (_, wrong, message) => {
    const { data, ask, store } = await opened();
    commitAndSave(data, 2);
    const [body, [parameters, slots, topology]] = put(2);
    await expect(ask(body, [parameters!, slots!, ...wrong(topology!)])).rejects.toEqual(refusedWith('invalid-message', message));
    expect(store.list().whole).toEqual([]);
  });

  test('one that is not there is missing', async () => {
    const { ask } = await opened();
    await expect(ask({ type: 'checkpoint.get', state: stateOf(1), column: null, ...WHOLE })).rejects.toEqual(refusedWith('missing'));
  });

  test('after another coordinator has taken over nothing is stored, and this one is told', async () => {
    const { data, ask, terms, over, store } = await opened();
    commitAndSave(data, 2);
    await takeTerm(terms, {});
    await expect(ask(...put(2))).rejects.toEqual(refusedWith('failed', /taken over/));
    expect(over).toEqual([expect.objectContaining({ code: 'run.busy' })]);
    expect(store.list().whole).toEqual([]);
  });

  test('after the folder of the run was deleted nothing is stored, no folder is made, and the coordinator is told', async () => {
    const { data, ask, terms, over } = await opened();
    commitAndSave(data, 2);
    const run = dirname(terms);
    for (const name of readdirSync(run)) rmSync(join(run, name), { recursive: true });
    await expect(ask(...put(2))).rejects.toEqual(refusedWith('failed', /deleted or moved/));
    expect(over).toEqual([expect.objectContaining({ code: 'run.gone' })]);
    expect(readdirSync(run)).toEqual([]);
  });
});

test.each<DataRequestBody>([
  { type: 'knowledge.get', term, stage: 'base', about: { of: 'view', epoch: 0 }, specs: [LOGITS_SPEC], half: false },
  { type: 'arena.get', term, state: stateOf(1), attempt: 1, part: 'trained', start: 0, end: 1 },
  { type: 'state.get', term, state: stateOf(1), hash: 'ab'.repeat(32), ...WHOLE },
])('$type is the workers to answer', async (body) => {
  const { ask } = await opened();
  await expect(ask(body)).rejects.toEqual(refusedWith('missing', /ask a worker/));
});
