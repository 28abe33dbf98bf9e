import { expect, test } from 'vitest';
import { Outbox, type Outgoing } from '../../../src/transport/outbox.js';

const message = (connection: string, i: number): Outgoing => ({ connection, frames: [Uint8Array.of(i)] });
const nameOf = (outgoing: Outgoing | undefined) => (outgoing === undefined ? null : `${outgoing.connection}${outgoing.frames[0]![0]}`);

function takeAll(outbox: Outbox): (string | null)[] {
  const taken: (string | null)[] = [];
  for (let next = outbox.take(); next !== undefined; next = outbox.take()) {
    taken.push(nameOf(next));
    outbox.sent(next);
  }
  return taken;
}

test('connections take turns, and each connection keeps its order', () => {
  const outbox = new Outbox(10);
  for (const [connection, i] of [
    ['a', 1],
    ['a', 2],
    ['a', 3],
    ['b', 1],
    ['c', 1],
    ['b', 2],
  ] as const)
    outbox.offer(message(connection, i));
  expect(takeAll(outbox)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  expect(outbox.take()).toBeUndefined();
});

test('a full queue refuses its own connection only, and takes again what it has sent', () => {
  const outbox = new Outbox(2);
  let taken = 0;
  while (outbox.offer(message('a', taken))) taken++;
  expect(taken).toBe(3);
  expect(outbox.offer(message('b', 0))).toBe(true);
  outbox.sent(outbox.take()!);
  expect(outbox.offer(message('a', 9))).toBe(true);
  expect(outbox.offer(message('a', 9))).toBe(false);
});

test('a blocked connection holds up nobody else and loses nothing', () => {
  const outbox = new Outbox(5);
  for (const i of [1, 2]) {
    outbox.offer(message('a', i));
    outbox.offer(message('b', i));
  }
  outbox.block(outbox.take()!);
  expect(outbox.blocked).toBe(true);
  expect(takeAll(outbox)).toEqual(['b1', 'b2']);
  outbox.unblock();
  expect(outbox.blocked).toBe(false);
  expect(takeAll(outbox)).toEqual(['a1', 'a2']);
});

test('what is dropped does not come back', () => {
  const outbox = new Outbox(5);
  for (const i of [1, 2]) {
    outbox.offer(message('a', i));
    outbox.offer(message('b', i));
  }
  const out = outbox.take()!;
  outbox.drop('a');
  outbox.block(out);
  outbox.unblock();
  expect(takeAll(outbox)).toEqual(['b1', 'b2']);
  outbox.offer(message('b', 3));
  outbox.clear();
  expect(outbox.take()).toBeUndefined();
});
