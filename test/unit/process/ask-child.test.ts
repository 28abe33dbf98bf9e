/** A child that is asked: its deadline does not count the time that it waits for the second question. */

import { afterEach, expect, test, vi } from 'vitest';
import { askChild } from '../../../src/process/ask-child.js';

const ECHO = '../test/support/process/echo-child.mjs';
const DEADLINE_MS = 60_000;
type Message = Readonly<Record<string, unknown>> & { readonly type: string };

afterEach(() => {
  vi.useRealTimers();
});

/** Asks a child whose second question comes ten deadlines after its first answer. */
async function askLate(isWaiting: boolean) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let give = (_question: Message): void => {};
  const later = new Promise<Message>((resolve) => {
    give = resolve;
  });
  const options = { module: ECHO, args: [], question: { type: 'echo', value: 1 }, later, isWaiting: () => isWaiting };
  const onAnswer = ({ type }: Message): void => {
    if (type !== 'echo') return;
    vi.advanceTimersByTime(10 * DEADLINE_MS);
    give({ type: 'exit', code: 0 });
  };
  return askChild<Message, Message>({ ...options, onAnswer }, DEADLINE_MS);
}

test('the deadline does not count the time that it waits', async () => {
  expect(await askLate(true)).toMatchObject({ isLate: false, end: { code: 0, signal: null } });
});

test('it counts where the child does not wait', async () => {
  expect(await askLate(false)).toMatchObject({ isLate: true, end: { signal: 'SIGKILL' } });
});
