/** The loop around a scripted core: one event at a time, effects in order, one timer, and every way it can end. */

import { describe, expect, test } from 'vitest';
import type { CoreEvent, Effect, Transition } from '../../../coordinator/core/types.js';
import { Inbox } from '../../../coordinator/shell/inbox.js';
import { type OuterEffect, runToEnd } from '../../../coordinator/shell/runner.js';
import { LIMITS } from '../../../src/base/limits.js';
import type { WorkerMessage } from '../../../src/protocol/control.js';
import { VirtualClock } from './virtual-clock.js';

const log = (event: string): Effect => ({ type: 'log', level: 'info', event, fields: {} });
const finish: Effect = {
  type: 'finish',
  outcome: 'done',
  code: null,
  message: 'done',
  summary: {
    engine: 'cpu',
    accuracy: {},
    agreement: {},
    trainingLoss: {},
    testLoss: {},
    calibration: {},
    training: {},
    waited: {},
    late: {},
    skipped: {},
    models: {},
    imagesPerSecond: {},
    wireBytes: { control: 0, data: 0 },
    commits: 0,
    samplesCommitted: 0,
    restarts: 0,
  },
};
const HELLO = { type: 'worker.hello' } as WorkerMessage;

/** Runs a core whose state is the list of events it was given; `react` says what it does at each. */
function scripted(first: readonly Effect[], react: (event: CoreEvent, seen: readonly string[]) => readonly Effect[]) {
  const inbox = new Inbox();
  const clock = new VirtualClock();
  const performed: string[] = [];
  const options = {
    start: (): Transition<readonly string[]> => ({ state: [], effects: first }),
    step: (state: readonly string[], event: CoreEvent): Transition<readonly string[]> => {
      const seen = [...state, event.type];
      return { state: seen, effects: react(event, seen) };
    },
    inbox,
    clock,
    perform: async (effect: OuterEffect) => {
      // Yields, so that effects that did not wait for each other would mix.
      await Promise.resolve();
      performed.push(effect.type === 'log' ? effect.event : effect.type);
    },
    checkTerm: () => {},
  };
  return { inbox, clock, performed, options };
}

describe('runToEnd', () => {
  test('performs the first effects, then those of each event, in order, until finish', async () => {
    const { inbox, performed, options } = scripted([log('a'), log('b')], (event, seen) =>
      event.type === 'stop' ? [log(`${seen.length}`), finish, log('never')] : [log(event.type), log('then')],
    );
    inbox.offer({ type: 'message', connection: 'x', message: HELLO });
    inbox.add({ type: 'tick' });
    inbox.add({ type: 'stop', reason: 'enough' });
    expect(await runToEnd(options)).toBe(finish);
    expect(performed).toEqual(['a', 'b', 'message', 'then', 'tick', 'then', '3']);
  });

  test('a wake-up comes at its time; a later one replaces it', async () => {
    const at: number[] = [];
    const { clock, options } = scripted(
      [
        { type: 'wake', atMs: 500 },
        { type: 'wake', atMs: 300 },
      ],
      (event, seen) => {
        if (event.type === 'tick') at.push(clock.nowMs());
        return seen.length === 2 ? [finish] : [{ type: 'wake', atMs: 1000 }];
      },
    );
    const end = runToEnd(options);
    await clock.advance(2000);
    await end;
    expect(at).toEqual([300, 1000]);
    expect(clock.pending).toBe(0);
  });

  test('a wake-up in the past comes at once', async () => {
    const { clock, options } = scripted([{ type: 'wake', atMs: -5 }], () => [finish]);
    const end = runToEnd(options);
    await clock.advance(0);
    await end;
  });

  test('what an effect, the core or the check of the term throws ends it, and its timer', async () => {
    const failing = scripted([{ type: 'wake', atMs: 1e9 }, log('a')], () => []);
    const broken = new Error('disk');
    await expect(
      runToEnd({
        ...failing.options,
        perform: async () => {
          throw broken;
        },
      }),
    ).rejects.toBe(broken);
    expect(failing.clock.pending).toBe(0);

    const core = scripted([], () => {
      throw broken;
    });
    core.inbox.add({ type: 'tick' });
    await expect(runToEnd(core.options)).rejects.toBe(broken);

    const over = scripted([], () => [finish]);
    over.inbox.add({ type: 'tick' });
    await expect(
      runToEnd({
        ...over.options,
        checkTerm: () => {
          throw broken;
        },
      }),
    ).rejects.toBe(broken);
  });

  test('a failure from outside ends it while it waits', async () => {
    const { inbox, options } = scripted([], () => []);
    const end = runToEnd(options);
    inbox.fail(new Error('a newer term'));
    await expect(end).rejects.toThrow('a newer term');
  });
});

describe('Inbox', () => {
  test('a connection that floods is cut off, and the others are heard', async () => {
    const inbox = new Inbox();
    const taken = Array.from({ length: 1000 }, () => inbox.offer({ type: 'message', connection: 'loud', message: HELLO })).filter(Boolean);
    expect(taken).toHaveLength(LIMITS.controlQueue);
    expect(inbox.offer({ type: 'message', connection: 'quiet', message: HELLO })).toBe(true);
    await inbox.next();
    expect(inbox.offer({ type: 'message', connection: 'loud', message: HELLO })).toBe(true);
  });

  test('many connections together are bounded, the coordinator own events are not', async () => {
    const inbox = new Inbox();
    let taken = 0;
    for (let connection = 0; connection < 10_000; connection++)
      if (inbox.offer({ type: 'message', connection: `${connection}`, message: HELLO })) taken += 1;
    expect(taken).toBe(16 * LIMITS.controlQueue);
    inbox.add({ type: 'stop', reason: 'x' });
    for (let i = 0; i < taken; i++) await inbox.next();
    expect(await inbox.next()).toEqual({ type: 'stop', reason: 'x' });
  });
});
