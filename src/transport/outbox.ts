/**
 * The messages that wait to be sent: one bounded first-in first-out queue for each connection. The queues take turns, so a
 * receiver that does not read delays no other. Owns the order and the maxima; the transport sends.
 * Invariant: at most one message of a connection is taken and unsettled at a time.
 */

import { BoundedQueue } from '../base/queue.js';
import type { Frames } from '../protocol/frames.js';
import type { ConnectionId } from './transport.js';

export interface Outgoing {
  readonly connection: ConnectionId;
  readonly frames: Frames;
}

export class Outbox {
  readonly #queueMax: number;
  readonly #queues = new Map<ConnectionId, BoundedQueue<Outgoing>>();
  /** Messages at the head of their queue, in the order of their turn. */
  #ready: Outgoing[] = [];
  /** Messages whose connection took no more when they were tried. */
  #blocked: Outgoing[] = [];

  constructor(queueMax: number) {
    this.#queueMax = queueMax;
  }

  get blocked(): boolean {
    return this.#blocked.length > 0;
  }

  /** Adds a message and answers true; answers false, and adds nothing, when the connection's queue is full. */
  offer(message: Outgoing): boolean {
    const queue = this.#queues.get(message.connection);
    if (queue !== undefined) return queue.offer(message);
    this.#queues.set(message.connection, new BoundedQueue(this.#queueMax));
    this.#ready.push(message);
    return true;
  }

  /** Takes the next message to send; undefined when there is none. Exactly one of `sent`, `block` and `drop` must follow. */
  take(): Outgoing | undefined {
    return this.#ready.shift();
  }

  /** Settles a message that was sent: the next one of its connection gets its turn. */
  sent({ connection }: Outgoing): void {
    const queue = this.#queues.get(connection);
    if (queue === undefined) return;
    const next = queue.take();
    if (next === undefined) this.#queues.delete(connection);
    else this.#ready.push(next);
  }

  /** Keeps the message, as the first of its queue, until `unblock`. */
  block(message: Outgoing): void {
    if (this.#queues.has(message.connection)) this.#blocked.push(message);
  }

  /** Lets all blocked messages be taken again. */
  unblock(): void {
    this.#ready.push(...this.#blocked.splice(0));
  }

  /** Drops all messages of the connection. */
  drop(connection: ConnectionId): void {
    this.#queues.delete(connection);
    this.#ready = this.#ready.filter((message) => message.connection !== connection);
    this.#blocked = this.#blocked.filter((message) => message.connection !== connection);
  }

  clear(): void {
    this.#queues.clear();
    this.#ready = [];
    this.#blocked = [];
  }
}
