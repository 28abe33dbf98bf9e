/** Time passes as it does, except while the process stands still. */

import { expect, test } from 'vitest';
import { steadyClock } from '../../../src/base/steady-clock.js';
import { VirtualClock } from '../shell/virtual-clock.js';

test('while the process runs, time is the time of the clock, looked at or not', async () => {
  const clock = new VirtualClock();
  const steady = steadyClock(clock);
  await clock.advance(10_000);
  expect(steady.nowMs()).toBe(10_000);
  // A process that is only slow.
  clock.freeze(900);
  expect(steady.nowMs()).toBe(10_900);
  steady.close();
});

test.each([1_001, 5_000, 3_600_000])('%d ms of standing still count as less than a lease', async (frozenMs) => {
  const clock = new VirtualClock();
  const steady = steadyClock(clock);
  await clock.advance(1_000);
  const before = steady.nowMs();
  clock.freeze(frozenMs);
  expect(steady.nowMs() - before).toBeLessThanOrEqual(400);
  await clock.advance(1_000);
  expect(steady.nowMs() - before).toBeGreaterThanOrEqual(1_000);
  expect(steady.nowMs() - before).toBeLessThanOrEqual(1_400);
  steady.close();
  expect(clock.pending).toBe(0);
});
