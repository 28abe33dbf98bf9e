/**
 * Messages waiting to be sent: one bounded first-in first-out queue per peer, served in turn, so that a peer that does
 * not read holds up nobody else. Owns the order and the bounds; sending is the transport's.
 * Invariant: at most one message of a peer is out of the box and unsettled at a time.
 */

import { BoundedQueue } from '../base/queue.js';
import type { Frames } from '../protocol/frames.js';
import type { PeerId } from './transport.js';

export interface Outgoing {
  readonly peer: PeerId;
  readonly frames: Frames;
}

export class Outbox {
  readonly #queueMax: number;
  readonly #queues = new Map<PeerId, BoundedQueue<Outgoing>>();
  /** Messages at the head of their queue, in the order of their turn. */
  #ready: Outgoing[] = [];
  /** Messages whose peer took nothing more when they were tried. */
  #blocked: Outgoing[] = [];

  constructor(queueMax: number) {
    this.#queueMax = queueMax;
  }

  get blocked(): boolean {
    return this.#blocked.length > 0;
  }

  /** False, and nothing is added, when the peer's queue is full. */
  offer(message: Outgoing): boolean {
    const queue = this.#queues.get(message.peer);
    if (queue !== undefined) return queue.offer(message);
    this.#queues.set(message.peer, new BoundedQueue(this.#queueMax));
    this.#ready.push(message);
    return true;
  }

  /** The next message to send. Exactly one of `sent`, `block` and `drop` must follow. */
  take(): Outgoing | undefined {
    return this.#ready.shift();
  }

  sent({ peer }: Outgoing): void {
    const queue = this.#queues.get(peer);
    if (queue === undefined) return;
    const next = queue.take();
    if (next === undefined) this.#queues.delete(peer);
    else this.#ready.push(next);
  }

  /** Sets the message aside, first in its queue, until `unblock`. */
  block(message: Outgoing): void {
    if (this.#queues.has(message.peer)) this.#blocked.push(message);
  }

  unblock(): void {
    this.#ready.push(...this.#blocked.splice(0));
  }

  /** Forgets all messages to the peer. */
  drop(peer: PeerId): void {
    this.#queues.delete(peer);
    this.#ready = this.#ready.filter((message) => message.peer !== peer);
    this.#blocked = this.#blocked.filter((message) => message.peer !== peer);
  }

  clear(): void {
    this.#queues.clear();
    this.#ready = [];
    this.#blocked = [];
  }
}
