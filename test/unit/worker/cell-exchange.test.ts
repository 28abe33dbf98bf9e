/** A cell whose column does not answer: when it says so, and what it goes on waiting for. */

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { RequestRefusal } from '../../../src/rpc/request-refusal.js';
import type { Knowledge } from '../../../src/tensor/knowledge.js';
import type { EngineContext, ReportBody } from '../../../worker/kit/context.js';
import { CellExchange, type Taken } from '../../../worker/student/cell-exchange.js';
import { logitsPart } from '../../../worker/student/exchange-use.js';

const OTHER = { peer: 'small', incarnation: asIncarnation(2), endpoint: 'inproc://2', sizes: [1] };
const OWN: Knowledge = [{ shape: [1, 2], data: Float32Array.of(1, 2) }];
const ANSWER = { name: 'knowledge.0', dtype: 'float32', shape: [1, 2], data: Float32Array.of(3, 4) };

/**
 * The other cell fails in these ways, one request after the other, and then answers. A late request takes its whole deadline, and
 * `busyMs` longer: this process is in a call, and hears nothing.
 */
async function exchangeAfter(
  failures: readonly Error[],
  { busyMs = 0, own = OWN, half = false, signal = new AbortController().signal } = {},
): Promise<{ readonly reports: readonly ReportBody[]; readonly taken: Taken | null }> {
  let nowMs = 0;
  const left = [...failures];
  const reports: ReportBody[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    after(delayMs, callback) {
      nowMs += delayMs;
      queueMicrotask(callback);
      return { cancel() {} };
    },
  };
  const request = async (_: string, { deadlineMs }: { readonly deadlineMs: number }) => {
    const failure = left.shift();
    if (failure === undefined) return { header: { type: 'knowledge.answer', stage: 'pair' }, tensors: [ANSWER] };
    if (!(failure instanceof RequestRefusal)) nowMs += deadlineMs + busyMs;
    throw failure;
  };
  const logger = { info() {}, warn() {}, error() {} };
  const context = { term: asTerm(1), clock, connections: { request }, logger, report: (body: ReportBody) => void reports.push(body) };
  const exchange = new CellExchange(clock).open({
    context: context as unknown as EngineContext,
    ...{ stage: 'pair', peer: 'big', round: asRoundId(3), others: [OTHER], steps: 1, parts: [logitsPart(2)], half, onLate: 'wait' },
    signal,
  });
  return { reports, taken: await exchange.exchange(own) };
}

const late = () => new StillhouseError('transport.deadline', 'no answer in time');
const refused = () => new RequestRefusal('knowledge.get', { reason: 'not-ready', message: 'not yet', address: OTHER.endpoint });

test('a cell that is silent for long is reported, once, and is asked until it answers', async () => {
  const { reports, taken } = await exchangeAfter(Array.from({ length: 20 }, late));
  expect(reports).toEqual([
    expect.objectContaining({
      type: 'worker.unreachable',
      round: 3,
      attempt: 0,
      replica: 2,
      message: expect.stringContaining('step 1, peer small'),
    }),
  ]);
  expect([...taken![0]![0]!.data]).toEqual([3, 4]);
});

test.each([
  ['is late twice', [late(), late()]],
  ['says that it is not there yet, however often', Array.from({ length: 100 }, refused)],
])('a cell that %s is not reported', async (_, failures) => {
  expect((await exchangeAfter(failures)).reports).toEqual([]);
});

test('an answer that cannot be right is not asked for again', async () => {
  await expect(exchangeAfter([new StillhouseError('protocol.invalid', 'of another shape')])).rejects.toThrow('of another shape');
});

test('the time in which this process hears nothing itself is not the silence of the other cell', async () => {
  expect((await exchangeAfter([late(), late()], { busyMs: 100_000 })).reports).toEqual([]);
});

test('a cell whose own numbers do not fit float16 says so itself, with its peer, the step and the way out', async () => {
  const own: Knowledge = [{ shape: [1, 2], data: Float32Array.of(1, 70_000) }];
  expect((await exchangeAfter([], { own })).taken).not.toBeNull();
  const failure = await exchangeAfter([], { own, half: true }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'knowledge.beyondHalf' });
  expect(String(failure)).toMatch(
    /pair\.big, round 3, step 1: number 1 of knowledge\.0 \(logits\) is 70000; float16 holds at most 65504\./,
  );
  expect(String(failure)).toMatch(/Leave wire: half out of stages\.pair\. .* diverges/);
});

test('a cell whose round is over at another one asks no more, and waits for the word of the coordinator', async () => {
  const over = new RequestRefusal('knowledge.get', { reason: 'wrong-round', message: 'round 4 is under way', address: OTHER.endpoint });
  const work = new AbortController();
  const exchange = exchangeAfter([over], { signal: work.signal });
  // An answer to another request would come within a turn of the event loop.
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  work.abort(new Error('abandoned'));
  await expect(exchange).rejects.toThrow('abandoned');
});
