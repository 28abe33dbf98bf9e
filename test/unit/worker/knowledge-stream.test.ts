import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asIncarnation } from '../../../src/base/ids.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import type { EngineAddress } from '../../../src/protocol/control.js';
import type { Knowledge } from '../../../src/tensor/knowledge.js';
import type { SampleView } from '../../../worker/kit/view.js';
import { KnowledgeStream } from '../../../worker/student/knowledge-stream.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const timing = { knowledgeLateMs: 300, restMs: 50, restMaxMs: 400 };

const teacher = (incarnation: number): EngineAddress => ({
  incarnation: asIncarnation(incarnation),
  endpoint: `inproc://t${incarnation}`,
});
const viewsOf = (count: number): SampleView[] => Array.from({ length: count }, (_, i) => ({ epoch: 0, samples: Int32Array.of(i) }));

interface Ask {
  readonly teacher: number;
  /** The index of the view. */
  readonly view: number;
  /** The numbers say which view and teacher they are from. */
  answer(): void;
  fail(error?: Error): void;
}

/** A stream whose requests the test answers by hand. */
function open(count: number, teachers: readonly EngineAddress[]) {
  const clock = new VirtualClock();
  const asks: Ask[] = [];
  const ask = (address: EngineAddress, view: SampleView) =>
    new Promise<Knowledge>((resolve, reject) => {
      const index = view.samples[0] ?? -1;
      asks.push({
        teacher: address.incarnation,
        view: index,
        answer: () => resolve([{ shape: [1, 2], data: Float32Array.of(index, address.incarnation) }]),
        fail: (error = new StillhouseError('transport.deadline', 'late')) => reject(error),
      });
    });
  const stream = new KnowledgeStream({ views: viewsOf(count), teachers, clock, timing, ask });
  return { clock, asks, stream, settle: () => clock.advance(0) };
}

const numbersOf = (knowledge: Knowledge) => knowledge.flatMap(({ data }) => [...data]);
const views = (asks: readonly Ask[]) => asks.map(({ view }) => view);

describe("the stream of a teacher's knowledge", () => {
  test.each([1, 2, 3])('with %i teachers asks 2N + 2 views ahead, shared evenly, and no more', async (teachers) => {
    const addresses = Array.from({ length: teachers }, (_, i) => teacher(i + 1));
    const { asks, stream, settle } = open(100, addresses);
    expect(views(asks)).toEqual(Array.from({ length: 2 * teachers + 2 }, (_, i) => i));
    const perTeacher = addresses.map(({ incarnation }) => asks.filter((ask) => ask.teacher === incarnation).length);
    expect(Math.max(...perTeacher) - Math.min(...perTeacher)).toBeLessThanOrEqual(1);
    for (const ask of asks.slice()) ask.answer();
    await settle();
    expect(asks).toHaveLength(2 * teachers + 2);
    await stream.next();
    expect(asks).toHaveLength(2 * teachers + 3);
  });

  test('answers that come in reverse are given out in order', async () => {
    const { asks, stream } = open(4, [teacher(1)]);
    const first = stream.next();
    for (const ask of asks.slice().reverse()) ask.answer();
    expect(numbersOf(await first)[0]).toBe(0);
    for (const expected of [1, 2, 3]) expect(numbersOf(await stream.next())[0]).toBe(expected);
  });

  test('waits for a teacher when there is none', async () => {
    const { asks, stream, settle } = open(2, []);
    const first = stream.next();
    await settle();
    expect(asks).toHaveLength(0);
    stream.link([teacher(7)]);
    expect(views(asks)).toEqual([0, 1]);
    asks[0]?.answer();
    expect(numbersOf(await first)).toEqual([0, 7]);
  });

  test('a failed request goes to another teacher at once', async () => {
    const { asks, settle } = open(1, [teacher(1), teacher(2)]);
    asks[0]?.fail();
    await settle();
    expect(asks.map((ask) => ask.teacher)).toEqual([1, 2]);
  });

  test('a teacher that is alone rests before it is asked again, longer each time', async () => {
    const { asks, clock, settle } = open(1, [teacher(1)]);
    for (const restMs of [50, 100, 200, 400, 400]) {
      const before = asks.length;
      asks.at(-1)?.fail();
      await settle();
      await clock.advance(restMs - 1);
      expect(asks).toHaveLength(before);
      await clock.advance(1);
      expect(asks).toHaveLength(before + 1);
    }
  });

  test('a late request is made of a second teacher, never of a third, and the first answer wins', async () => {
    const { asks, clock, stream } = open(1, [teacher(1), teacher(2), teacher(3)]);
    await clock.advance(299);
    expect(asks).toHaveLength(1);
    await clock.advance(1);
    expect(asks.map((ask) => ask.teacher)).toEqual([1, 2]);
    await clock.advance(10_000);
    expect(asks).toHaveLength(2);
    asks[1]?.answer();
    const knowledge = await stream.next();
    asks[0]?.answer();
    await clock.advance(0);
    expect(numbersOf(knowledge)).toEqual([0, 2]);
  });

  test('what a teacher that is no longer linked has not answered is asked again; its answer still counts', async () => {
    const { asks, stream, settle } = open(2, [teacher(1)]);
    stream.link([teacher(2)]);
    expect(asks.map((ask) => [ask.teacher, ask.view])).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
    asks[0]?.answer();
    expect(numbersOf(await stream.next())).toEqual([0, 1]);
    asks[1]?.fail();
    asks[3]?.answer();
    await settle();
    expect(numbersOf(await stream.next())).toEqual([1, 2]);
  });

  test('an error that no teacher would mend ends it', async () => {
    const { asks, stream } = open(3, [teacher(1), teacher(2)]);
    const first = stream.next();
    asks[0]?.fail(new StillhouseError('training.notFinite', 'NaN'));
    await expect(first).rejects.toMatchObject({ code: 'training.notFinite' });
  });

  test('closed, it asks nothing and keeps no timer', async () => {
    const { asks, clock, stream } = open(5, [teacher(1)]);
    stream.close();
    asks[0]?.fail();
    await clock.advance(1_000);
    expect(asks).toHaveLength(4);
    expect(clock.pending).toBe(0);
  });

  test('whatever fails, is late or is relinked: every view once, in order, and bounded', async () => {
    const action = fc.oneof(
      { weight: 5, arbitrary: fc.record({ type: fc.constant('answer' as const), pick: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('fail' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), pick: fc.nat({ max: 700 }) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('link' as const), pick: fc.integer({ min: 0, max: 15 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.array(action, { maxLength: 60 }), async (count, actions) => {
        const { asks, clock, stream, settle } = open(count, [teacher(1), teacher(2)]);
        const given: number[] = [];
        const consumer = (async () => {
          while (given.length < count) given.push(numbersOf(await stream.next())[0] ?? -1);
        })();
        const openAsks: Ask[] = [];
        const take = (pick: number) => {
          openAsks.push(...asks.splice(0));
          return openAsks.splice(pick % Math.max(1, openAsks.length), 1)[0];
        };
        for (const { type, pick } of actions) {
          if (type === 'answer') take(pick)?.answer();
          else if (type === 'fail') take(pick)?.fail();
          else if (type === 'wait') await clock.advance(pick);
          else stream.link([1, 2, 3, 4].filter((bit) => (pick >> (bit - 1)) & 1).map(teacher));
          await settle();
          const ahead = Math.max(-1, ...views([...asks, ...openAsks])) - given.length;
          expect(ahead).toBeLessThan(2 * 4 + 2);
        }
        stream.link([teacher(1)]);
        for (let i = 0; i < 20 * count && given.length < count; i++) {
          for (let next = take(0); next !== undefined; next = take(0)) next.answer();
          await clock.advance(500);
        }
        await consumer;
        expect(given).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
      { numRuns: 150 },
    );
  });
});
