/** A cell of a column that is late: what the others do, by `onLate`, and what they count. */

import { describe, expect, test } from 'vitest';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { EngineContext } from '../../../worker/kit/context.js';
import { CellExchange, type ExchangeOptions, type StepExchange, type Taken } from '../../../worker/student/cell-exchange.js';
import { logitsPart } from '../../../worker/student/exchange-use.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const STEPS = 40;
const STEP_MS = 100;
const others = ['quick', 'slow'].map((peer, i) => ({
  ...{ peer, incarnation: asIncarnation(i + 2), endpoint: `inproc://${peer}` },
  sizes: Array.from({ length: STEPS }, () => 1),
}));

/** The time at which another cell gives a step, in milliseconds from the start. */
type GivenAtMs = (peer: string, step: number) => number;

interface Column {
  readonly clock: VirtualClock;
  readonly exchange: StepExchange;
  /** The requests that were made, as `peer step`. */
  readonly asked: string[];
  readonly events: string[];
}

function openColumn(onLate: ExchangeOptions['onLate'], givenAtMs: GivenAtMs): Column {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const events: string[] = [];
  const request = async (endpoint: string, { body }: { readonly body: { readonly about: { readonly step: number } } }) => {
    const peer = endpoint.replace('inproc://', '');
    const { step } = body.about;
    asked.push(`${peer} ${step}`);
    await new Promise<void>((resolve) => void clock.after(Math.max(0, givenAtMs(peer, step) - clock.nowMs()), resolve));
    const data = Float32Array.of(step);
    return { header: { type: 'knowledge.answer', stage: 'trio' }, tensors: [tensorOf(data)] };
  };
  const logger = { info: (event: string) => void events.push(event), warn() {}, error() {} };
  const context = { term: asTerm(1), clock, connections: { request }, logger, report() {} } as unknown as EngineContext;
  const exchange = new CellExchange(clock).open({
    ...{ context, stage: 'trio', peer: 'own', round: asRoundId(1), others, onLate, half: false },
    ...{ steps: STEPS, parts: [logitsPart(1)], signal: new AbortController().signal },
  });
  return { clock, exchange, asked, events };
}

const tensorOf = (data: Float32Array) => ({ name: 'knowledge.0', dtype: 'float32', shape: [1, 1], data });

/** Makes the next step: STEP_MS of its own work, then the exchange. Says what it took, and how long it waited. */
async function nextStep({ clock, exchange }: Column, step: number): Promise<{ readonly taken: Taken; readonly waitedMs: number }> {
  await clock.advance(STEP_MS);
  let taken: Taken | null = null;
  const own = [{ shape: [1, 1], data: Float32Array.of(step) }];
  exchange.exchange(own).then((found) => {
    taken = found;
  });
  const startMs = clock.nowMs();
  await clock.advance(0);
  while (taken === null) await clock.advance(10);
  return { taken, waitedMs: clock.nowMs() - startMs };
}

/** The step that each other cell's knowledge is of; null for a cell that was not waited for. */
const stepsOf = (taken: Taken) => taken.map((answer) => answer?.[0]?.data[0] ?? null);

/** Everybody keeps the pace, until the slow cell stands still for two seconds at this step. */
const stalledAt =
  (stall: number): GivenAtMs =>
  (peer, step) =>
    step * STEP_MS + (peer === 'slow' && step >= stall ? 2000 : 0);

describe('wait', () => {
  test('the cell waits for as long as it takes, and counts the step at which the other was late', async () => {
    const column = openColumn('wait', stalledAt(12));
    for (let step = 1; step < 12; step++) expect((await nextStep(column, step)).waitedMs).toBeLessThanOrEqual(10);
    const { taken, waitedMs } = await nextStep(column, 12);
    expect(waitedMs).toBeGreaterThanOrEqual(1990);
    expect(stepsOf(taken)).toEqual([12, 12]);
    expect(column.exchange.late).toEqual({ slow: 1 });
    expect(column.events).toEqual(['exchange.late']);
    for (let step = 13; step <= STEPS; step++) expect(stepsOf((await nextStep(column, step)).taken)).toEqual([step, step]);
    expect(column.exchange.late).toEqual({ slow: 1 });
  });
});

describe('renormalise', () => {
  test('the cell goes on without the late one, asks it for one step at a time, and takes it back when it has caught up', async () => {
    // The slow cell stands still for two seconds, and then makes its steps twice as fast as the others.
    const column = openColumn('renormalise', (peer, step) =>
      peer === 'slow' && step >= 12 ? Math.max(step * STEP_MS, 3200 + (step - 12) * (STEP_MS / 2)) : step * STEP_MS,
    );
    for (let step = 1; step < 12; step++) await nextStep(column, step);
    const first = await nextStep(column, 12);
    expect(stepsOf(first.taken)).toEqual([12, null]);
    expect(first.waitedMs, 'five steps').toBeGreaterThanOrEqual(5 * STEP_MS);
    expect(first.waitedMs).toBeLessThan(6 * STEP_MS);
    let step = 13;
    for (; step <= STEPS; step++) if (stepsOf((await nextStep(column, step)).taken)[1] !== null) break;
    const missed = step - 12;
    expect(column.exchange.late).toEqual({ slow: missed });
    expect(missed).toBeGreaterThan(2);
    // The cell asked the slow one for the first missed step; each later request waited for that answer, and its step was over by then.
    const askedSlow = column.asked.filter((text) => text.startsWith('slow')).length;
    expect(askedSlow).toBeLessThan(step);
    for (step++; step <= STEPS; step++) expect(stepsOf((await nextStep(column, step)).taken)).toEqual([step, step]);
    expect(column.events).toEqual(['exchange.late']);
  });

  test('a cell that is always ten times slower is missed at each step, and does not spoil the pace', async () => {
    const column = openColumn('renormalise', (peer, step) => step * STEP_MS * (peer === 'slow' && step > 10 ? 10 : 1));
    for (let step = 1; step <= 10; step++) await nextStep(column, step);
    for (let step = 11; step <= 20; step++) {
      const { taken, waitedMs } = await nextStep(column, step);
      expect(stepsOf(taken)).toEqual([step, null]);
      expect(waitedMs).toBeLessThan(6 * STEP_MS);
    }
    expect(column.exchange.late).toEqual({ slow: 10 });
  });
});

test('without a policy, as in an evaluation, nobody is late', async () => {
  const column = openColumn(null, stalledAt(12));
  for (let step = 1; step <= 12; step++) await nextStep(column, step);
  expect(column.exchange.late).toEqual({});
  expect(column.events).toEqual([]);
});
