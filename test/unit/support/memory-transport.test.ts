/** The faults and the time of a memory network; what every transport promises is in test/contract. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Frames } from '../../../src/protocol/frames.js';
import { createMemoryNetwork, type Fate } from '../../support/memory-transport.js';

/** Virtual time: runs what is due, in order of time, then of scheduling. */
class Timeline {
  #now = 0;
  #tasks: { at: number; run: () => void }[] = [];

  readonly schedule = (delayMs: number, run: () => void): void => {
    this.#tasks.push({ at: this.#now + delayMs, run });
  };

  runAll(): void {
    while (this.#tasks.length > 0) {
      this.#tasks.sort((a, b) => a.at - b.at);
      const task = this.#tasks.shift()!;
      this.#now = task.at;
      task.run();
    }
  }
}

const MAXIMA = { frameBytesMax: 1000, framesMax: 2, queueMax: 100 };
const endpoint = 'tcp://127.0.0.1:1';

async function pair(fate: (from: string, to: string, frames: Frames) => Fate) {
  const time = new Timeline();
  const network = createMemoryNetwork({ schedule: time.schedule, fate });
  const up: number[] = [];
  const down: number[] = [];
  const connections: string[] = [];
  const listener = await network.transportOf('coordinator').listen({
    endpoint,
    ...MAXIMA,
    onMessage: (connection, [frame]) => {
      connections.push(connection);
      up.push(frame![0]!);
    },
  });
  const dialer = await network.transportOf('worker').dial({ endpoint, ...MAXIMA, onMessage: ([frame]) => down.push(frame![0]!) });
  return { time, listener, dialer, up, down, connections };
}

test('a partition cuts off one way only, as the hook says', async () => {
  const { time, listener, dialer, up, down, connections } = await pair((from) => (from === 'coordinator' ? 'drop' : 'deliver'));
  dialer.send([Uint8Array.of(1)]);
  time.runAll();
  expect(listener.send(connections[0]!, [Uint8Array.of(2)])).toBe('queued');
  time.runAll();
  expect([up, down]).toEqual([[1], []]);
});

test('nothing is delivered within send', async () => {
  const { time, dialer, up } = await pair(() => 'deliver');
  dialer.send([Uint8Array.of(1)]);
  expect(up).toEqual([]);
  time.runAll();
  expect(up).toEqual([1]);
});

test('a sender that changes a message too early sends the change', async () => {
  const { time, dialer, up } = await pair(() => 'deliver');
  const frame = Uint8Array.of(1);
  dialer.send([frame]);
  frame[0] = 9;
  time.runAll();
  expect(up).toEqual([9]);
});

test('whatever is dropped, delayed or doubled, what arrives is in order', async () => {
  const fateOf: fc.Arbitrary<Fate> = fc.oneof(fc.constantFrom<Fate>('deliver', 'drop', 'duplicate'), fc.record({ delayMs: fc.nat(50) }));
  await fc.assert(
    fc.asyncProperty(fc.array(fateOf, { minLength: 1, maxLength: 40 }), async (fates) => {
      const { time, dialer, up } = await pair((_from, _to, [frame]) => fates[frame![0]!]!);
      for (const i of fates.keys()) dialer.send([Uint8Array.of(i)]);
      time.runAll();
      const expected = fates.flatMap((fate, i) => (fate === 'drop' ? [] : fate === 'duplicate' ? [i, i] : [i]));
      expect(up).toEqual(expected);
    }),
  );
});
