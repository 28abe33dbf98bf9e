/** Tests data clients and servers against their interfaces (src/rpc/data-client.ts, data-server.ts), over all four transports. */

import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { asTerm } from '../../src/base/ids.js';
import { LIMITS } from '../../src/base/limits.js';
import { decodeDataRequest, encodeData } from '../../src/protocol/codec.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import type { Frames } from '../../src/protocol/frames.js';
import { type DataClient, openDataClient } from '../../src/rpc/data-client.js';
import { type DataReply, refusal, serveData } from '../../src/rpc/data-server.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import { LOGITS_SPEC } from '../../src/tensor/knowledge.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import { DATA_CHANNEL } from '../../src/transport/channel.js';
import type { ConnectionId } from '../../src/transport/transport.js';
import { Inbox } from '../support/inbox.js';
import { TRANSPORT_KINDS, type TransportKind } from '../support/transport-kind.js';

const PATIENT_MS = 60_000;
const term = asTerm(1);
const about = { of: 'view' as const, epoch: 0 };
const knowledgeRequest = { type: 'knowledge.get' as const, term, stage: 'teach', about, specs: [LOGITS_SPEC], half: false };
const piece = { state: { stage: 'teach', peer: 'model', round: 3 }, attempt: 1, part: 'trained', start: 0, end: 4 } as const;
const arena = { type: 'arena.get', term, ...piece } as const;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((end) => end.close()));
});

async function serve(kind: TransportKind, answer: (request: DataMessage<DataRequest>) => Promise<DataReply>) {
  const server = await serveData({ transport: kind.transport, endpoint: kind.endpoint(), answer });
  open.push(server);
  return server;
}

async function ask(kind: TransportKind, endpoint: string): Promise<DataClient> {
  const client = await openDataClient({ transport: kind.transport, endpoint, clock: systemClock });
  open.push(client);
  return client;
}

/** A server that answers nothing by itself: the test writes the frames. */
async function rawServer(kind: TransportKind) {
  const inbox = new Inbox<{ connection: ConnectionId; id: number }>();
  const listener = await kind.transport.listen({
    endpoint: kind.endpoint(),
    ...DATA_CHANNEL,
    onMessage: (connection, frames) => {
      const request = decodeDataRequest(frames);
      if (request.ok) inbox.add({ connection, id: request.message.header.id });
    },
  });
  open.push(listener);
  return { listener, inbox };
}

const int32 = (name: string, values: readonly number[]): WireTensor => ({
  name,
  dtype: 'int32',
  shape: [values.length],
  data: Int32Array.from(values),
});
const float32 = (name: string, values: readonly number[]): WireTensor => ({
  name,
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});

/** Answers sample ids with themselves as knowledge. */
async function echo({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> {
  if (header.type !== 'knowledge.get') return refusal('wrong-stage', `${header.type} is not for me`);
  const ids = [...(tensors[0]?.data ?? [])];
  return { header: { type: 'knowledge.answer', stage: header.stage }, tensors: [float32('knowledge.0', ids)] };
}

describe.each(TRANSPORT_KINDS)('$name', (kind) => {
  test('an answer holds the numbers that were sent', async () => {
    const server = await serve(kind, echo);
    const client = await ask(kind, server.endpoint);
    const values = [0, -1, 2 ** 31 - 1, -(2 ** 31), 7];
    const answer = await client.request(knowledgeRequest, [int32('samples', values)], PATIENT_MS);
    expect(answer.header).toMatchObject({ type: 'knowledge.answer', stage: 'teach' });
    expect(answer.tensors).toEqual([float32('knowledge.0', values)]);
  });

  test('a million floats come back bit for bit, NaN payloads and negative zeros too', async () => {
    const bits = Uint32Array.from({ length: 1_000_000 }, (_, i) => Math.imul(i, 0x9e3779b9));
    bits.set([0x80000000, 0x7fc12345, 0xff800000, 1]);
    const data = new Float32Array(bits.buffer);
    const server = await serve(kind, async () => ({
      header: { type: 'arena.answer', ...piece, samples: 10, ranges: [{ start: 0, end: 10 }] },
      tensors: [{ name: 'parameters', dtype: 'float32', shape: [1000, 1000], data }],
    }));
    const client = await ask(kind, server.endpoint);
    const { header, tensors } = await client.request(arena, [], PATIENT_MS);
    expect(header.ranges).toEqual([{ start: 0, end: 10 }]);
    const received = tensors[0]!.data as Float32Array;
    expect(received.length).toBe(1_000_000);
    expect(Buffer.compare(Buffer.from(received.buffer, received.byteOffset, received.byteLength), Buffer.from(bits.buffer))).toBe(0);
  });

  test('answers that come out of order find their requests', async () => {
    const held = new Inbox<() => void>();
    const server = await serve(kind, async (request) => {
      await new Promise<void>((resolve) => held.add(resolve));
      return echo(request);
    });
    const client = await ask(kind, server.endpoint);
    const order: number[] = [];
    const all = Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const { tensors } = await client.request(knowledgeRequest, [int32('samples', [i])], PATIENT_MS);
        expect([...tensors[0]!.data]).toEqual([i]);
        order.push(i);
      }),
    );
    for (const release of [...(await held.until(20))].reverse()) release();
    await all;
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => 19 - i));
  });

  test('a refusal carries its reason, and a failing handler is one', async () => {
    const server = await serve(kind, async ({ header }) => {
      if (header.type === 'knowledge.get') throw new Error('the teacher fell over '.repeat(1000));
      return refusal('wrong-round', 'I am in round 4');
    });
    const client = await ask(kind, server.endpoint);
    const refused = await client.request(arena, [], PATIENT_MS).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RequestRefusal);
    expect(refused).toMatchObject({ code: 'request.refused', reason: 'wrong-round', details: { address: server.endpoint } });
    expect((refused as Error).message).toContain('I am in round 4');
    const failed = await client.request(knowledgeRequest, [], PATIENT_MS).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'request.refused', reason: 'failed' });
    expect((failed as Error).message).toContain('the teacher fell over');
  });

  test('a handler that throws at once, or answers what cannot be sent, does not stop the server', async () => {
    const server = await serve(kind, (request) => {
      if (request.header.type === 'arena.get') throw new Error('at once');
      if (request.tensors.length > 0) return echo(request);
      return Promise.resolve({
        header: { type: 'knowledge.answer', stage: 'teach' },
        tensors: [{ ...float32('knowledge.0', [1]), shape: [2] }],
      });
    });
    const client = await ask(kind, server.endpoint);
    await expect(client.request(arena, [], PATIENT_MS)).rejects.toMatchObject({ reason: 'failed' });
    await expect(client.request(knowledgeRequest, [], PATIENT_MS)).rejects.toMatchObject({ reason: 'failed' });
    expect((await client.request(knowledgeRequest, [int32('samples', [5])], PATIENT_MS)).tensors).toEqual([float32('knowledge.0', [5])]);
  });

  test('a request ends at its deadline, and its late answer harms nobody', async () => {
    const held = new Inbox<() => void>();
    let hold = true;
    const server = await serve(kind, async (request) => {
      if (hold) await new Promise<void>((resolve) => held.add(resolve));
      return echo(request);
    });
    const client = await ask(kind, server.endpoint);
    const late = client.request(knowledgeRequest, [int32('samples', [1])], 100).catch((error: unknown) => error);
    const [release] = await held.until(1);
    expect(await late).toMatchObject({ code: 'transport.deadline', details: { address: server.endpoint } });
    hold = false;
    release!();
    expect((await client.request(knowledgeRequest, [int32('samples', [2])], PATIENT_MS)).tensors).toEqual([float32('knowledge.0', [2])]);
  });

  test('at most the written number of requests is unanswered', async () => {
    const server = await serve(kind, () => new Promise(() => {}));
    const client = await ask(kind, server.endpoint);
    const requests = Array.from({ length: LIMITS.requestsInFlight + 3 }, () =>
      client.request(knowledgeRequest, [], PATIENT_MS).catch((error: unknown) => error),
    );
    const rejected = await Promise.all(requests.slice(-3));
    expect(rejected).toMatchObject([{ code: 'transport.full' }, { code: 'transport.full' }, { code: 'transport.full' }]);
    await client.close();
    expect(await Promise.all(requests.slice(0, 2))).toMatchObject([{ code: 'transport.closed' }, { code: 'transport.closed' }]);
    await expect(client.request(knowledgeRequest, [], PATIENT_MS)).rejects.toMatchObject({ code: 'transport.closed' });
  });

  test('a server works on a bounded number of requests and says busy to the rest', async () => {
    const held = new Inbox<() => void>();
    const server = await serve(kind, async (request) => {
      await new Promise<void>((resolve) => held.add(resolve));
      return echo(request);
    });
    const clients = await Promise.all(Array.from({ length: 5 }, () => ask(kind, server.endpoint)));
    const outcomes = new Inbox<string>();
    for (const client of clients) {
      for (let i = 0; i < LIMITS.requestsInFlight; i++) {
        client.request(knowledgeRequest, [], PATIENT_MS).then(
          () => outcomes.add('answered'),
          (error: unknown) => outcomes.add(error instanceof RequestRefusal ? error.reason : String(error)),
        );
      }
    }
    const surplus = clients.length * LIMITS.requestsInFlight - LIMITS.requestsInWork;
    expect(await outcomes.until(surplus)).toEqual(Array.from({ length: surplus }, () => 'busy'));
    for (const release of await held.until(LIMITS.requestsInWork)) release();
    const all = await outcomes.until(clients.length * LIMITS.requestsInFlight);
    expect(all.filter((outcome) => outcome === 'answered')).toHaveLength(LIMITS.requestsInWork);
  });

  test('malformed requests are refused with what is wrong, and those without an id are counted', async () => {
    const server = await serve(kind, echo);
    const refusals = new Inbox<Frames>();
    const dialer = await kind.transport.dial({ endpoint: server.endpoint, ...DATA_CHANNEL, onMessage: (frames) => refusals.add(frames) });
    open.push(dialer);
    const [header] = encodeData(knowledgeRequest, 77, [int32('samples', [1, 2])]);
    dialer.send([Buffer.from('nonsense')]);
    dialer.send([header!, new Uint8Array(7)]);
    const [first] = await refusals.until(1);
    const text = Buffer.from(first![0]!).toString('latin1');
    expect(text).toContain('invalid-message');
    expect(text).toContain('8 bytes, but its frame has 7');
    expect(server.counters().refused).toBe(2);
  });

  test('an answer that is malformed, or of another type, rejects its request', async () => {
    const { listener, inbox } = await rawServer(kind);
    const client = await ask(kind, listener.endpoint);
    const short = client.request(knowledgeRequest, [], PATIENT_MS).catch((error: unknown) => error);
    const [one] = await inbox.until(1);
    const [header] = encodeData({ type: 'knowledge.answer', stage: 'teach' }, one!.id, [float32('knowledge.0', [1])]);
    listener.send(one!.connection, [Buffer.from([0xc1])]);
    listener.send(one!.connection, [header!, new Uint8Array(3)]);
    expect(await short).toMatchObject({ code: 'protocol.invalid' });
    const other = client.request(knowledgeRequest, [], PATIENT_MS).catch((error: unknown) => error);
    const [, two] = await inbox.until(2);
    listener.send(two!.connection, encodeData({ type: 'stored' }, two!.id, []));
    expect(await other).toMatchObject({ code: 'protocol.invalid', message: expect.stringContaining('answered with stored') });
    expect(client.counters().refused).toBe(2);
  });

  test('closing a server leaves its clients to their deadlines', async () => {
    const asked = new Inbox<true>();
    const server = await serve(kind, () => {
      asked.add(true);
      return new Promise(() => {});
    });
    const client = await ask(kind, server.endpoint);
    const request = client.request(knowledgeRequest, [], 300).catch((error: unknown) => error);
    await asked.until(1);
    await server.close();
    await server.close();
    expect(await request).toMatchObject({ code: 'transport.deadline' });
  });

  test('eight clients, a thousand requests, each gets its own answer', async () => {
    const server = await serve(kind, echo);
    const clients = await Promise.all(Array.from({ length: 8 }, () => ask(kind, server.endpoint)));
    await Promise.all(
      clients.map(async (client, c) => {
        for (let i = 0; i < 125; i++) {
          const { tensors } = await client.request(knowledgeRequest, [int32('samples', [c, i])], PATIENT_MS);
          expect([...tensors[0]!.data]).toEqual([c, i]);
        }
      }),
    );
  });
});

test('the type of an answer follows from the type of the request', async () => {
  const request: DataRequestOf<'knowledge.get'>['type'] = 'knowledge.get';
  const kind = TRANSPORT_KINDS[0]!;
  const server = await serve(kind, echo);
  const client = await ask(kind, server.endpoint);
  const answer = await client.request({ ...knowledgeRequest, type: request }, [], PATIENT_MS);
  const stage: string = answer.header.stage;
  expect(stage).toBe('teach');
});
