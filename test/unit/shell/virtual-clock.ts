/** A clock that a test moves. Timers fire in the order of their time. */

import type { Clock, TimerHandle } from '../../../src/base/clock.js';

export class VirtualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; callback: () => void }[] = [];

  get pending(): number {
    return this.#timers.length;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2024, 1, 29, 12) + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => this.#drop(timer) };
  }

  /** Time passes, timer by timer; between two, everything that waits gets its turn. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#drop(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** The process stands still: time passes and no timer fires. */
  freeze(forMs: number): void {
    this.#nowMs += forMs;
  }

  #drop(timer: { atMs: number; callback: () => void }): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }
}
