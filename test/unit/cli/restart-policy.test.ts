import { describe, expect, test } from 'vitest';
import { decideRestart } from '../../../src/cli/restart-policy.js';

const killed = { code: null, signal: 'SIGKILL' } as const;

describe('a worker that ended', () => {
  test.each([
    [{ code: 0, signal: null }, 0, { type: 'leave' }],
    [{ code: 1, signal: null }, 0, { type: 'restart', delayMs: 500 }],
    [{ code: 75, signal: null }, 1, { type: 'restart', delayMs: 1000 }],
    [killed, 2, { type: 'restart', delayMs: 2000 }],
    [killed, 3, { type: 'give-up', why: 'it was started again 3 times already, the maximum (workers.restarts)' }],
    [
      { code: 2, signal: null },
      0,
      { type: 'give-up', why: 'it cannot do its work with these arguments and this recipe, and another start would not change that' },
    ],
  ] as const)('%j after %i restarts of 3', (end, restarts, decision) => {
    expect(decideRestart(end, restarts, 3)).toEqual(decision);
  });

  test('waits longer each time, but never without end', () => {
    const delays = Array.from({ length: 100 }, (_, restarts) => decideRestart(killed, restarts, 100)).map((decision) =>
      decision.type === 'restart' ? decision.delayMs : Number.NaN,
    );
    expect(delays.every((delay, at) => delay >= (delays[at - 1] ?? 0) && delay <= 10_000)).toBe(true);
  });

  test('is not started again when that is not wanted', () => {
    expect(decideRestart(killed, 0, 0).type).toBe('give-up');
  });
});
