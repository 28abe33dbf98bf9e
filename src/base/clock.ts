/**
 * Time and timers as an interface, so that what waits can be tested with virtual time.
 * The system clock is the only file of `src` that touches the real one.
 */

export interface TimerHandle {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  nowMs(): number;
  /** Milliseconds since 1970, for names and logs, never for decisions. */
  wallMs(): number;
  /** Calls `callback` once, `delayMs` from now. The timer does not keep the process alive when `unref` is set. */
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
