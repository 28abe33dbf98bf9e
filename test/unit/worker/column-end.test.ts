/** The end of a column that is asked to conclude: whatever comes when, all of its cells have made the same steps. */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { abortable } from '../../../src/base/abortable.js';
import { present } from '../../../src/base/assert.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import type { DataRequestOf } from '../../../src/protocol/data.js';
import { RequestRefusal } from '../../../src/rpc/request-refusal.js';
import type { EngineContext } from '../../../worker/kit/context.js';
import { CellExchange } from '../../../worker/student/cell-exchange.js';
import { logitsPart } from '../../../worker/student/exchange-use.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const STEPS = 6;
const LONGEST_MS = 300_000;

interface Course {
  readonly cells: number;
  /** When each cell hears that it is to conclude. */
  readonly concludeMs: readonly number[];
  /** The step for which each cell's teacher never answers. */
  readonly absentAt: readonly number[];
  /** Delays, in milliseconds, of whatever takes time, one after the other. */
  readonly delays: readonly number[];
  /** Which answers are lost, one after the other; after these, none is. */
  readonly lost: readonly boolean[];
}

const courses = fc.integer({ min: 2, max: 4 }).chain((cells) =>
  fc.record<Course>({
    cells: fc.constant(cells),
    concludeMs: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: cells, maxLength: cells }),
    absentAt: fc.array(fc.integer({ min: 1, max: STEPS + 1 }), { minLength: cells, maxLength: cells }),
    delays: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 20, maxLength: 60 }),
    lost: fc.array(fc.boolean(), { minLength: 20, maxLength: 100 }),
  }),
);

/** The number of steps that each cell has made, by the time at which all have ended. */
async function runColumn({
  cells,
  concludeMs,
  absentAt,
  delays,
  lost,
}: Course): Promise<{ readonly made: number[]; readonly endMs: number }> {
  const clock = new VirtualClock();
  let turn = 0;
  let asked = 0;
  const pause = () => new Promise<void>((resolve) => void clock.after(delays[turn++ % delays.length] ?? 0, resolve));
  const sizes = Array.from({ length: STEPS }, () => 1);
  const peers = Array.from({ length: cells }, (_, i) => ({
    ...{ peer: `p${i}`, incarnation: asIncarnation(i + 1), endpoint: `inproc://p${i}` },
    sizes,
  }));
  const columns = peers.map(() => new CellExchange(clock));
  const request = async (endpoint: string, { body }: { readonly body: Omit<DataRequestOf<'knowledge.get'>, 'id' | 'tensors'> }) => {
    await pause();
    const column = columns[peers.findIndex((cell) => cell.endpoint === endpoint)];
    const reply = await present(column, endpoint).answer({ ...body, id: 1, tensors: [] });
    await pause();
    // The other cell cannot know that.
    if (lost[asked++] === true) throw new StillhouseError('transport.deadline', 'no answer in time');
    const { header, tensors } = reply;
    if (header.type === 'refuse')
      throw new RequestRefusal(body.type, { reason: header.reason, message: header.message, address: endpoint });
    return { header, tensors };
  };
  const logger = { info() {}, warn() {}, error() {} };
  const context = { term: asTerm(1), clock, connections: { request }, logger, report() {} } as unknown as EngineContext;
  const made = peers.map(() => 0);
  let ended = 0;

  /** Takes steps as training.ts does, without a model. */
  const train = async (own: number): Promise<void> => {
    const conclude = new AbortController();
    clock.after(concludeMs[own] ?? 0, () => conclude.abort());
    const exchange = present(columns[own], 'a cell').open({
      ...{ context, stage: 'column', peer: `p${own}`, round: asRoundId(1), onLate: 'wait', half: false, parts: [logitsPart(1)] },
      ...{ others: peers.filter((_, i) => i !== own), steps: STEPS, signal: new AbortController().signal },
    });
    const end = exchange.endSignal(conclude.signal);
    for (let step = 1; step <= STEPS; step++) {
      try {
        end.throwIfAborted();
        await abortable(step === absentAt[own] ? new Promise(() => {}) : pause(), end);
      } catch {
        exchange.end();
        break;
      }
      if ((await exchange.exchange([{ shape: [1, 1], data: Float32Array.of(step) }])) === null) break;
      made[own] = step;
    }
    exchange.close();
    ended += 1;
  };
  for (const own of peers.keys()) void train(own);
  while (ended < cells && clock.nowMs() < LONGEST_MS) await clock.advance(50);
  return { made, endMs: clock.nowMs() };
}

test('every cell ends with the same step, soon after the last one has heard of it', async () => {
  await fc.assert(
    fc.asyncProperty(courses, async (course) => {
      const { made, endMs } = await runColumn({ ...course, lost: [] });
      expect(new Set(made).size).toBe(1);
      expect(endMs).toBeLessThan(2000);
    }),
    { numRuns: 100 },
  );
});

test('every cell ends with the same step, also where many of the answers are lost', async () => {
  await fc.assert(
    fc.asyncProperty(courses, async (course) => {
      const { made, endMs } = await runColumn(course);
      expect(new Set(made).size).toBe(1);
      expect(endMs).toBeLessThan(LONGEST_MS);
    }),
    { numRuns: 100 },
  );
});
