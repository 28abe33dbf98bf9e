/** A cell remembers the others where each round is one step: for how long they have answered nothing, and that they are late. */

import { expect, test } from 'vitest';
import { asIncarnation, asRoundId, asTerm, type Incarnation } from '../../../src/base/ids.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { RequestRefusal } from '../../../src/rpc/request-refusal.js';
import type { EngineContext, ReportBody } from '../../../worker/kit/context.js';
import { DATA_TIMING } from '../../../worker/kit/timing.js';
import { CellExchange } from '../../../worker/student/cell-exchange.js';
import { logitsPart } from '../../../worker/student/exchange-use.js';
import { VirtualClock } from '../shell/virtual-clock.js';

/** The coordinator's least deadline for a round. */
const ROUND_MS = 20_000;
const [QUICK, OTHER, JOINER] = [2, 3, 4].map(asIncarnation) as [Incarnation, Incarnation, Incarnation];

/** The fate of a request to a cell: no answer, a refusal at once, or its knowledge after so many milliseconds. */
type Behaviour = 'silent' | 'refuses' | number;

class Row {
  readonly clock = new VirtualClock();
  readonly cells = new Map<Incarnation, Behaviour>([[QUICK, 10]]);
  readonly events: string[] = [];
  /** The cells that were reported, and when. */
  readonly reported: { readonly cell: Incarnation; readonly atMs: number }[] = [];
  readonly deadlines: number[] = [];
  readonly #exchange = new CellExchange(this.clock);
  #round = 0;

  /** A round of one step with the cells that there are, which ends after so long if the step is not made, or once a cell is reported. */
  async round({ lastsMs = ROUND_MS, classes = 1, size = 1 } = {}): Promise<'made' | 'reported' | 'over'> {
    const work = new AbortController();
    const before = this.reported.length;
    const others = [...this.cells.keys()].map((incarnation) => ({
      ...{ peer: 'model', incarnation, endpoint: `inproc://${incarnation}` },
      sizes: [size],
    }));
    const exchange = this.#exchange.open({
      ...{ context: this.#context(size, classes), stage: 'base', peer: 'model', round: asRoundId(++this.#round) },
      ...{ others, steps: 1, parts: [logitsPart(classes)], half: false, onLate: 'wait' as const, signal: work.signal },
    });
    let isMade = false;
    const made = exchange.exchange([tensorOf(size, classes)]).then(
      () => {
        isMade = true;
      },
      () => {},
    );
    const untilMs = this.clock.nowMs() + lastsMs;
    await this.clock.advance(0);
    while (!isMade && this.reported.length === before && this.clock.nowMs() < untilMs) await this.clock.advance(10);
    if (!isMade) work.abort(new Error('abandoned'));
    await made;
    exchange.close();
    return isMade ? 'made' : this.reported.length > before ? 'reported' : 'over';
  }

  /** Makes as many steps as it takes until the pace is known. */
  async settle(): Promise<void> {
    for (let step = 0; step < 10; step++) expect(await this.round()).toBe('made');
  }

  #context(size: number, classes: number): EngineContext {
    const { clock } = this;
    const request = async (endpoint: string, { deadlineMs }: { readonly deadlineMs: number }) => {
      this.deadlines.push(deadlineMs);
      const cell = asIncarnation(Number(endpoint.replace('inproc://', '')));
      const behaviour = this.cells.get(cell) ?? 'silent';
      if (behaviour === 'refuses')
        throw new RequestRefusal('knowledge.get', { reason: 'not-ready', message: 'not yet', address: endpoint });
      const takesMs = behaviour === 'silent' ? Number.POSITIVE_INFINITY : behaviour;
      await new Promise<void>((resolve) => void clock.after(Math.min(takesMs, deadlineMs), resolve));
      if (takesMs > deadlineMs) throw new StillhouseError('transport.deadline', `no answer from ${endpoint} in time`);
      return {
        header: { type: 'knowledge.answer', stage: 'base' },
        tensors: [{ name: 'knowledge.0', dtype: 'float32', ...tensorOf(size, classes) }],
      };
    };
    const report = (body: ReportBody) => {
      if (body.type === 'worker.unreachable') this.reported.push({ cell: body.replica, atMs: clock.nowMs() });
    };
    const logger = { info: (event: string) => void this.events.push(event), warn() {}, error() {} };
    return { term: asTerm(1), clock, connections: { request }, logger, report } as unknown as EngineContext;
  }
}

const tensorOf = (size: number, classes: number) => ({ shape: [size, classes], data: new Float32Array(size * classes) });

/** The results of so many rounds. */
async function rounds(row: Row, count: number): Promise<string[]> {
  const results: string[] = [];
  for (let i = 0; i < count; i++) results.push(await row.round());
  return results;
}

test('a cell that falls silent is reported, though every round is over before; and in each round from then on', async () => {
  const row = new Row();
  row.cells.set(OTHER, 10);
  await row.settle();
  row.cells.set(OTHER, 'silent');
  const startMs = row.clock.nowMs();
  expect(await rounds(row, 5)).toEqual(['over', 'over', 'reported', 'reported', 'reported']);
  expect(row.reported.map(({ cell }) => cell)).toEqual([OTHER, OTHER, OTHER]);
  const [first, second, third] = row.reported.map(({ atMs }) => atMs - startMs) as [number, number, number];
  expect(first).toBeGreaterThanOrEqual(DATA_TIMING.cellSilentMs);
  expect(first).toBeLessThan(DATA_TIMING.cellSilentMs + DATA_TIMING.stepMs);
  // It is asked once more each time.
  expect(second - first).toBeGreaterThanOrEqual(DATA_TIMING.stepMs - 1);
  expect(third - first).toBeLessThan(3 * DATA_TIMING.stepMs);
});

test.each<Behaviour>(['refuses', 10])('any answer begins the silence anew (%s)', async (behaviour) => {
  const row = new Row();
  row.cells.set(OTHER, 10);
  await row.settle();
  row.cells.set(OTHER, 'silent');
  expect(await rounds(row, 2)).toEqual(['over', 'over']);
  row.cells.set(OTHER, behaviour);
  await row.round();
  row.cells.set(OTHER, 'silent');
  expect(await rounds(row, 2)).toEqual(['over', 'over']);
  expect(row.reported).toEqual([]);
});

test('the silence of a cell that was gone from a round is forgotten', async () => {
  const row = new Row();
  row.cells.set(OTHER, 10);
  await row.settle();
  row.cells.set(OTHER, 'silent');
  expect(await rounds(row, 2)).toEqual(['over', 'over']);
  row.cells.delete(OTHER);
  expect(await row.round()).toBe('made');
  row.cells.set(OTHER, 'silent');
  expect(await rounds(row, 2)).toEqual(['over', 'over']);
});

test('a cell that comes to a row that knows its pace builds its graphs: it has the time of the first steps', async () => {
  const row = new Row();
  await row.settle();
  row.cells.set(JOINER, 'silent');
  const startMs = row.clock.nowMs();
  expect(await row.round({ lastsMs: 600_000 })).toBe('reported');
  expect(row.reported[0]!.atMs - startMs).toBeGreaterThanOrEqual(DATA_TIMING.firstStepsSilentMs);
});

test('an answer has time for its bytes on a slow line; a cell that has been silent for long has not', async () => {
  const row = new Row();
  row.cells.set(OTHER, 10);
  await row.settle();
  expect(Math.max(...row.deadlines)).toBe(DATA_TIMING.stepMs + 1);
  // 32 samples of 100,000 numbers from each of the two: 25.6 MB.
  const large = { classes: 100_000, size: 32 };
  row.deadlines.length = 0;
  expect(await row.round(large)).toBe('made');
  expect(row.deadlines).toEqual([40_600, 40_600]);
  row.cells.set(OTHER, 30_000);
  expect(await row.round({ ...large, lastsMs: 60_000 })).toBe('made');
  row.cells.set(OTHER, 'silent');
  const seen: string[] = [];
  for (let i = 0; i < 8; i++) seen.push(await row.round({ ...large, lastsMs: 30_000 }));
  expect(seen.slice(-3)).toEqual(['reported', 'reported', 'reported']);
  expect(row.deadlines.at(-1)).toBe(DATA_TIMING.stepMs);
});

test('a late cell is in the log once, until it has answered in time again', async () => {
  const row = new Row();
  row.cells.set(OTHER, 10);
  await row.settle();
  for (const delayMs of [2000, 2000, 2000, 10, 2000, 10]) {
    row.cells.set(OTHER, delayMs);
    expect(await row.round()).toBe('made');
  }
  expect(row.events).toEqual(['exchange.late', 'exchange.late']);
});
