/**
 * Tests every averaging of the catalogue against its interface (src/averaging/averaging.ts), over memory and sockets. Each
 * replica of a test is a real data server with its side of the averaging behind it. All replicas of an attempt average:
 * a way may need every one of them, and an outcome is looked at where all ways have the same one.
 */

import { afterEach, describe, expect, test } from 'vitest';
import type { AverageOrder, AverageOutcome, Averaging, Contribution } from '../../src/averaging/averaging.js';
import { AVERAGINGS } from '../../src/averaging/catalogue.js';
import { weightedAverage } from '../../src/averaging/weighted-average.js';
import { systemClock } from '../../src/base/clock.js';
import { asIncarnation, asTerm } from '../../src/base/ids.js';
import { Prng } from '../../src/base/prng.js';
import type { Contributor } from '../../src/protocol/control.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import type { Range } from '../../src/protocol/field.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { openDataClient } from '../../src/rpc/data-client.js';
import { type DataReply, refusal, serveData } from '../../src/rpc/data-server.js';
import { TRANSPORT_KINDS, type TransportKind } from '../support/transport-kind.js';

const term = asTerm(1);
const STATE: StateName = { stage: 'base', peer: 'model', round: 4 };
const SIZE = 1_003;
const DEADLINE_MS = 5_000;
const never = new AbortController().signal;
const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

type ArenaRequest = DataRequestOf<'arena.get'>;
type Way = (typeof AVERAGINGS)[keyof typeof AVERAGINGS];

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((end) => end.close()));
});

/** A faulty replica: it sends this reply in place of the reply of its averaging. */
type Fault = (reply: DataReply, request: ArenaRequest) => DataReply | Promise<DataReply>;

interface OpenOptions {
  readonly incarnation: number;
  /** For one request. */
  readonly deadlineMs?: number;
  /** The elements of one request. */
  readonly partElements?: number;
}

class Replica {
  readonly averaging: Averaging;
  readonly contribution: Contribution;
  readonly #incarnation: number;
  readonly #bytes: () => number;
  #endpoint = '';
  fault: Fault = (reply) => reply;

  private constructor(incarnation: number, averaging: Averaging, bytes: () => number) {
    this.#incarnation = incarnation;
    this.averaging = averaging;
    this.#bytes = bytes;
    const random = new Prng(7, incarnation);
    const parameters = Float32Array.from({ length: SIZE }, () => random.uniform() * 2 - 1);
    const samples = 3 * incarnation + 1;
    this.contribution = { state: STATE, parameters, samples, ranges: [{ start: 0, end: 10 }, { start: 100 * incarnation, end: 100 * incarnation + samples }] }; // biome-ignore format: two ranges
    averaging.offer(this.contribution);
  }

  static async open(way: Way, kind: TransportKind, { incarnation, deadlineMs = DEADLINE_MS, partElements }: OpenOptions): Promise<Replica> {
    const clients = new Map<string, ReturnType<typeof openDataClient>>();
    let bytes = 0;
    const averaging = way({
      term,
      self: asIncarnation(incarnation),
      deadlineMs,
      partElements,
      async request(endpoint, request) {
        let opening = clients.get(endpoint);
        if (opening === undefined) {
          opening = openDataClient({ transport: kind.transport, endpoint, clock: systemClock });
          clients.set(endpoint, opening);
          open.push({ close: async () => (await opening)?.close() });
        }
        const answer = await (await opening).request(request.body, [], request.deadlineMs);
        bytes += answer.tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
        return answer;
      },
    });
    const replica = new Replica(incarnation, averaging, () => bytes);
    const answer = async ({ header }: DataMessage<DataRequest>) =>
      header.type === 'arena.get' ? replica.fault(await averaging.answer(header), header) : refusal('invalid-message', header.type);
    const server = await serveData({ transport: kind.transport, endpoint: kind.endpoint(), answer });
    open.push(server);
    replica.#endpoint = server.endpoint;
    return replica;
  }

  get contributor(): Contributor {
    return { incarnation: asIncarnation(this.#incarnation), endpoint: this.#endpoint, samples: this.contribution.samples };
  }

  /** Bytes of parameters that it has received. */
  get received(): number {
    return this.#bytes();
  }
}

async function replicasOf(
  way: Way,
  kind: TransportKind,
  count: number,
  options: Omit<OpenOptions, 'incarnation'> = {},
): Promise<Replica[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => Replica.open(way, kind, { incarnation: i + 1, ...options })));
}

function orderOf(replicas: readonly Replica[], change: Partial<AverageOrder> = {}): AverageOrder {
  return { state: STATE, attempt: 1, contributors: replicas.map(({ contributor }) => contributor), check: () => null, ...change };
}

/** A request of another replica, in the first attempt. */
function requestFor(part: ArenaRequest['part'], { start, end }: Range): ArenaRequest {
  return { type: 'arena.get', id: 1, tensors: [], term, state: STATE, attempt: 1, part, start, end };
}

function averageAll(replicas: readonly Replica[], order = orderOf(replicas)): Promise<AverageOutcome[]> {
  return Promise.all(replicas.map(({ averaging }) => averaging.average(order, never)));
}

function parametersOf(outcome: AverageOutcome | undefined): Float32Array {
  if (!outcome?.ok) throw new Error(`no average: ${JSON.stringify(outcome)}`);
  return outcome.parameters;
}

const expected = (replicas: readonly Replica[]): Float32Array =>
  weightedAverage(replicas.map(({ contribution: { samples, parameters } }) => ({ samples, arena: parameters })));

/** Faults of one of three replicas: the test's name, the fault, and the message of the replica that meets it. */
const FAULTS: readonly (readonly [string, Fault, RegExp])[] = [
  ['refuses', () => refusal('busy', 'not now'), /busy.*not now/],
  ['sends a NaN', withParameters((data) => data.map((value, i) => (i === 5 ? Number.NaN : value))), /not finite/],
  [
    'sends an infinity',
    withParameters((data) => data.map((value, i) => (i === data.length - 1 ? Number.POSITIVE_INFINITY : value))),
    /not finite/,
  ],
  ['sends too few elements', withParameters((data) => data.slice(1)), /elements/],
  ['sends too many elements', withParameters((data) => Float32Array.of(...data, 1)), /elements/],
  ['sends no parameters', ({ header }) => ({ header, tensors: [] }), /elements/],
  ['answers for another attempt', withHeader({ attempt: 9 }), /attempt 9/],
  ['answers for another state', withHeader({ state: { ...STATE, round: 3 } }), /round 3/],
  ['answers for another peer', withHeader({ state: { ...STATE, peer: 'big' } }), /peer big/],
  ['answers with the other part', withHeader({ part: 'average' }), /part average/],
  ['answers with other elements', withHeader({ start: 1, end: SIZE + 1 }), /elements 1 to/],
  ['answers for other samples than it reported', withHeader({ samples: 1_000 }), /1000 samples/],
];

function withParameters(change: (data: Float32Array) => Float32Array): Fault {
  return ({ header, tensors }) => ({
    header,
    tensors: tensors.map((tensor) => {
      const data = change(tensor.data as Float32Array);
      return { ...tensor, shape: [data.length], data };
    }),
  });
}

function withHeader(change: object): Fault {
  return ({ header, tensors }) => ({ header: { ...header, ...change } as DataReply['header'], tensors });
}

/** A promise and the call that fulfils it. */
function signalled(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve: () => resolve() };
}

const cheap = TRANSPORT_KINDS.filter(({ name }) => name === 'memory' || name === 'inproc');

describe.each(Object.entries(AVERAGINGS))('%s', (_, way) => {
  describe.each(cheap)('over $name', (kind) => {
    test.each([2, 3, 4])('%i replicas get the same bits: the average by samples, summed in rank order', async (count) => {
      const replicas = await replicasOf(way, kind, count);
      const outcomes = await averageAll(replicas);
      for (const outcome of outcomes) {
        expect(bits(parametersOf(outcome)).equals(bits(expected(replicas)))).toBe(true);
        expect(outcome).toMatchObject({ ranges: replicas.map(({ contribution }) => contribution.ranges) });
      }
      const backwards = [...replicas].reverse();
      for (const outcome of await averageAll(replicas, orderOf(backwards, { attempt: 2 }))) {
        expect(bits(parametersOf(outcome)).equals(bits(expected(backwards)))).toBe(true);
      }
    });

    test('an attempt after one that failed starts from the same, among fewer', async () => {
      const replicas = await replicasOf(way, kind, 3);
      const [first, second, third] = replicas as [Replica, Replica, Replica];
      const before = replicas.map(({ contribution }) => bits(contribution.parameters).toString('hex'));
      third.averaging.takeBack();
      const outcomes = await averageAll(replicas);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 3 }] });
      const rest = [first, second];
      const again = await averageAll(rest, orderOf(rest, { attempt: 2 }));
      for (const outcome of again) expect(bits(parametersOf(outcome)).equals(bits(expected(rest)))).toBe(true);
      expect(replicas.map(({ contribution }) => bits(contribution.parameters).toString('hex'))).toEqual(before);
    });
  });

  const [memory] = TRANSPORT_KINDS as readonly [TransportKind];

  test('in parts: the same bits, also where a part is lost once; one that stays away is named', async () => {
    const replicas = await replicasOf(way, memory, 3, { partElements: 100 });
    const sizes: number[] = [];
    const [first, second, third] = replicas as [Replica, Replica, Replica];
    let lost = 0;
    second.fault = (reply, { start, end }) => {
      sizes.push(end - start);
      return start > 0 && lost++ === 0 ? refusal('busy', 'not now') : reply;
    };
    for (const outcome of await averageAll(replicas)) expect(bits(parametersOf(outcome)).equals(bits(expected(replicas)))).toBe(true);
    expect(lost).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBe(100);
    third.fault = (reply, { start }) => (start >= 200 ? refusal('failed', 'gone') : reply);
    for (const { averaging } of [first, second]) {
      const outcome = await averaging.average(orderOf(replicas, { attempt: 2 }), never);
      expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 3, message: expect.stringContaining('gone') }] });
    }
  });

  test.each(FAULTS)('a replica that %s is named by all others, and nobody uses it', async (_, fault, words) => {
    const replicas = await replicasOf(way, memory, 3);
    (replicas[2] as Replica).fault = fault;
    const outcomes = await averageAll(replicas);
    for (const outcome of outcomes.slice(0, 2)) {
      expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 3, message: expect.stringMatching(words) }] });
    }
  });

  test.each(FAULTS)('a replica that %s when it is asked for the average is named, or is not asked', async (_, fault) => {
    const replicas = await replicasOf(way, memory, 3);
    (replicas[2] as Replica).fault = (reply, request) => (request.part === 'average' ? fault(reply, request) : reply);
    const outcomes = await averageAll(replicas);
    for (const outcome of outcomes.slice(0, 2)) {
      if (outcome.ok) expect(bits(outcome.parameters).equals(bits(expected(replicas)))).toBe(true);
      else expect(outcome.unreachable).toMatchObject([{ replica: 3 }]);
    }
  });

  test('a replica whose ranges the student does not accept is named with the reason', async () => {
    const replicas = await replicasOf(way, memory, 2);
    const check: AverageOrder['check'] = ({ incarnation }) => (incarnation === 2 ? 'it began elsewhere' : null);
    const [outcome] = await averageAll(replicas, orderOf(replicas, { check }));
    expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 2, message: expect.stringContaining('it began elsewhere') }] });
  });

  test('a replica that answers slowly is waited for', async () => {
    const replicas = await replicasOf(way, memory, 2);
    const held = signalled();
    (replicas[1] as Replica).fault = (reply) => held.promise.then(() => reply);
    const waiting = averageAll(replicas);
    held.resolve();
    for (const outcome of await waiting) expect(bits(parametersOf(outcome)).equals(bits(expected(replicas)))).toBe(true);
  });

  test('a replica that is asked before its own order came is waited for', async () => {
    const replicas = await replicasOf(way, memory, 2);
    const [first, second] = replicas as [Replica, Replica];
    const asked = signalled();
    second.fault = (reply) => {
      asked.resolve();
      return reply;
    };
    const waiting = first.averaging.average(orderOf(replicas), never);
    await asked.promise;
    const outcomes = [await second.averaging.average(orderOf(replicas), never), await waiting];
    for (const outcome of outcomes) expect(bits(parametersOf(outcome)).equals(bits(expected(replicas)))).toBe(true);
  });

  test('a replica that does not answer by the deadline is named', async () => {
    const replicas = await replicasOf(way, memory, 2, { deadlineMs: 20 });
    (replicas[1] as Replica).fault = () => new Promise<never>(() => {});
    const [outcome] = await averageAll(replicas);
    expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 2 }] });
  });

  test('is called off by its signal, whatever it waits for', async () => {
    const replicas = await replicasOf(way, memory, 2);
    const [first, second] = replicas as [Replica, Replica];
    second.fault = () => new Promise<never>(() => {});
    const stop = new AbortController();
    const averaging = first.averaging.average(orderOf(replicas), stop.signal);
    const other = second.averaging.average(orderOf(replicas), never);
    stop.abort(new Error('called off'));
    await expect(averaging).rejects.toThrow('called off');
    await other;
  });

  test.each<readonly [string, (replica: Replica, stop: AbortController) => void]>([
    ['the attempt is called off', (_, stop) => stop.abort(new Error('called off'))],
    ['the offer is taken back', ({ averaging }) => averaging.takeBack()],
    ['another offer comes', ({ averaging, contribution }) => averaging.offer(contribution)],
  ])('who waits for a piece of the average is refused at the latest when %s', async (_, end) => {
    const replicas = await replicasOf(way, memory, 2);
    const [first, second] = replicas as [Replica, Replica];
    second.fault = () => new Promise<never>(() => {});
    const stop = new AbortController();
    const averaging = first.averaging.average(orderOf(replicas), stop.signal).catch((error: unknown) => error);
    const answer = first.averaging.answer(requestFor('average', { start: 0, end: 1 }));
    end(first, stop);
    expect((await answer).header).toMatchObject({ type: 'refuse' });
    stop.abort(new Error('called off'));
    await averaging;
  });

  test('a replica that offers nothing, or something else, is refused its average and refuses the others', async () => {
    const replicas = await replicasOf(way, memory, 2);
    const [first, second] = replicas as [Replica, Replica];
    second.averaging.offer({ ...second.contribution, state: { ...STATE, round: 5 } });
    for (const outcome of await averageAll(replicas)) expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 2 }] });
    first.averaging.takeBack();
    expect(await first.averaging.average(orderOf(replicas), never)).toMatchObject({ ok: false, unreachable: [{ replica: 1 }] });
  });

  test.each([
    [0, 0],
    [5, 4],
    [0, SIZE + 1],
    [SIZE, SIZE + 1],
  ])('the elements %i to %i are refused, of either part', async (start, end) => {
    const [replica] = (await replicasOf(way, memory, 1)) as [Replica];
    for (const part of ['trained', 'average'] as const) {
      const { header } = await replica.averaging.answer(requestFor(part, { start, end }));
      expect(header).toMatchObject({ type: 'refuse', reason: 'invalid-message' });
    }
  });

  test('the memory of each replica reaches the others as it is, in rank order, and no other range of it', async () => {
    const replicas = await replicasOf(way, memory, 3);
    const kept = replicas.map(({ contribution: { samples } }) => Float32Array.from({ length: 2 * samples + 1 }, (_, i) => samples + i / 8));
    replicas.forEach(({ averaging, contribution }, i) => {
      averaging.offer({ ...contribution, memory: kept[i] });
    });
    const memorySize = (samples: number) => 2 * samples + 1;
    for (const outcome of await averageAll(replicas, orderOf(replicas, { memorySize }))) {
      expect(bits(parametersOf(outcome)).equals(bits(expected(replicas)))).toBe(true);
      expect(outcome).toMatchObject({ memory: kept });
    }
    (replicas[2] as Replica).fault = (reply, request) =>
      request.part === 'memory' ? withHeader({ part: 'trained' })(reply, request) : reply;
    const [outcome] = await averageAll(replicas, orderOf(replicas, { memorySize, attempt: 2 }));
    expect(outcome).toMatchObject({ ok: false, unreachable: [{ replica: 3, message: expect.stringContaining('part trained') }] });
    const [first, second] = replicas as [Replica, Replica];
    const { header } = await first.averaging.answer(requestFor('memory', { start: 0, end: kept[0]!.length + 1 }));
    expect(header).toMatchObject({ type: 'refuse', reason: 'invalid-message' });
    second.averaging.offer(second.contribution);
    expect((await second.averaging.answer(requestFor('memory', { start: 0, end: 1 }))).header).toMatchObject({ type: 'refuse' });
  });

  test('no replica receives more than the arenas of all others', async () => {
    for (const count of [2, 4]) {
      const replicas = await replicasOf(way, memory, count);
      await averageAll(replicas);
      for (const { received } of replicas) {
        expect(received).toBeGreaterThan(0);
        expect(received).toBeLessThanOrEqual((count - 1) * 4 * SIZE);
      }
    }
  });
});
