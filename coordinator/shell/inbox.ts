/**
 * Events on their way to the core, in the order in which they came. Messages of workers are bounded, in all and per connection,
 * so that a worker that floods the coordinator neither fills its memory nor blocks the others.
 */

import { LIMITS } from '../../src/base/limits.js';
import type { CoreEvent } from '../core/types.js';

/** The number of messages of all connections together that may wait. */
const WAITING_MAX = 16 * LIMITS.controlQueue;

type MessageEvent = Extract<CoreEvent, { type: 'message' }>;

export class Inbox {
  #events: CoreEvent[] = [];
  /** The number of waiting messages of each connection; connections without any are not in it. */
  readonly #waiting = new Map<string, number>();
  #messages = 0;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  /** Takes a worker's message. Returns false, and drops it, when too many are waiting. */
  offer(event: MessageEvent): boolean {
    const waiting = this.#waiting.get(event.connection) ?? 0;
    if (waiting >= LIMITS.controlQueue || this.#messages >= WAITING_MAX) return false;
    this.#waiting.set(event.connection, waiting + 1);
    this.#messages += 1;
    this.#push(event);
    return true;
  }

  /** Takes an event of the coordinator itself. */
  add(event: Exclude<CoreEvent, MessageEvent>): void {
    this.#push(event);
  }

  /** Makes the next call of `next`, and every later one, throw this error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /** The oldest event; waits for one. Must not be called again before it settles. */
  async next(): Promise<CoreEvent> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      const event = this.#events.shift();
      if (event !== undefined) return this.#taken(event);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  #push(event: CoreEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #taken(event: CoreEvent): CoreEvent {
    if (event.type !== 'message') return event;
    const left = (this.#waiting.get(event.connection) ?? 1) - 1;
    if (left === 0) this.#waiting.delete(event.connection);
    else this.#waiting.set(event.connection, left);
    this.#messages -= 1;
    return event;
  }
}
