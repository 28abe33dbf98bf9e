/**
 * Time and timers as an interface, so that code that waits can be tested with virtual time.
 * Only this file, and the edge files that test/arch names, touch the real clock.
 */

export interface TimerHandle {
  cancel(): void;
}

export interface Clock {
  /** Monotonic time in milliseconds. Its zero means nothing: only differences do. */
  nowMs(): number;
  /** Milliseconds since 1970 (UTC), for names and logs, never for decisions. */
  wallMs(): number;
  /** Calls `callback` once, after `delayMs` milliseconds. With `unref`, the timer does not keep the process alive. */
  after(delayMs: number, callback: () => void, options?: { unref?: boolean }): TimerHandle;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback, options) {
    const timer = setTimeout(callback, delayMs);
    if (options?.unref) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
