/**
 * Time that does not pass while this process is stopped (SIGSTOP, a suspended machine, a blocked event loop). With an
 * ordinary clock, a process that continues would find every deadline passed before it has read a message.
 */

import type { Clock, TimerHandle } from './clock.js';

/** The interval between two readings of the time. */
const LOOK_EVERY_MS = 200;
/** A longer gap between two readings means that the process was stopped. */
const STANDSTILL_MS = 1_000;

export interface SteadyClock extends Clock {
  /** Stops reading the time. Timers that were set stay set. */
  close(): void;
}

/**
 * Wraps a clock: `nowMs` leaves out the gaps in which the process was stopped. Timers and `wallMs` are the wrapped
 * clock's. The caller closes it.
 */
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
