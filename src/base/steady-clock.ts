/**
 * Time that does not pass while this process is stopped (SIGSTOP, a suspended machine, a blocked event loop). Without
 * it, a process that wakes up would find every deadline over before it has read a single message that waits for it.
 */

import type { Clock, TimerHandle } from './clock.js';

/** The time is looked at so often; */
const LOOK_EVERY_MS = 200;
/** a longer gap between two looks means that the process stood still. */
const STANDSTILL_MS = 1_000;

export interface SteadyClock extends Clock {
  /** Stops looking at the time. */
  close(): void;
}

/** Wraps a clock. Timers are the clock's own. */
export function steadyClock(clock: Clock): SteadyClock {
  let seenMs = clock.nowMs();
  let skippedMs = 0;
  const nowMs = (): number => {
    const now = clock.nowMs();
    const gap = now - seenMs;
    if (gap > STANDSTILL_MS) skippedMs += gap - LOOK_EVERY_MS;
    seenMs = now;
    return now - skippedMs;
  };
  let timer: TimerHandle;
  const look = (): void => {
    nowMs();
    timer = clock.after(LOOK_EVERY_MS, look, { unref: true });
  };
  look();
  return { nowMs, wallMs: () => clock.wallMs(), after: (...args) => clock.after(...args), close: () => timer.cancel() };
}
