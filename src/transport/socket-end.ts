/**
 * The common part of listener and dialer in zmq-transport.ts: it sends the messages of the outbox over a socket, reads
 * messages from it, counts bytes, and closes it. A socket allows one send and one receive at a time.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import type { Frames } from '../protocol/frames.js';
import { codeOf } from './bind-error.js';
import { bytesOf } from './channel.js';
import { Outbox, type Outgoing } from './outbox.js';
import type { ConnectionId, TransportCounters } from './transport.js';

/** A connection that took no more is tried again after this time. */
const RETRY_MS = 2;
/** After this time, a close counts as done. */
const CLOSE_MS = 2000;

export interface SocketEndOptions {
  readonly clock: Clock;
  /** The maximum of messages that wait in the outbox for one connection. */
  readonly queueMax: number;
  /** The messages that the socket receives. */
  readonly messages: AsyncIterable<Frames>;
  /** Gives one message to the socket. Throws EAGAIN when the connection takes no more, EHOSTUNREACH when it is gone. */
  transmit(message: Outgoing): Promise<void>;
  /** Called when a send found that a connection is gone. Its messages are dropped. */
  onGone(connection: ConnectionId): void;
  /** Closes the socket, and calls `done` when it is closed. */
  shut(done: () => void): void;
}

export class SocketEnd {
  readonly outbox: Outbox;
  closed = false;
  /** The number of received messages that were dropped because they broke a maximum. */
  refused = 0;
  readonly #options: SocketEndOptions;
  #sentBytes = 0;
  #receivedBytes = 0;
  #pumping = false;
  #retry: TimerHandle | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: SocketEndOptions) {
    this.#options = options;
    this.outbox = new Outbox(options.queueMax);
  }

  counters(): TransportCounters {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes, refused: this.refused };
  }

  /** Queues a message. `full` when its connection's queue is at its maximum. */
  send(message: Outgoing): 'queued' | 'full' {
    if (!this.outbox.offer(message)) return 'full';
    void this.#pump();
    return 'queued';
  }

  /** Calls `deliver` for each message until the socket is closed. */
  async read(deliver: (frames: Frames) => void): Promise<void> {
    for await (const frames of this.#options.messages) {
      if (this.closed) return;
      this.#receivedBytes += bytesOf(frames);
      deliver(frames);
    }
  }

  /** Closes the socket and drops the queued messages. Resolves when the address is free, after at most 2 s. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.closed = true;
    this.#retry?.cancel();
    this.outbox.clear();
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(CLOSE_MS, resolve);
      this.#options.shut(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let message = this.outbox.take(); message !== undefined && !this.closed; message = this.outbox.take()) {
      await this.#settle(message);
    }
    this.#pumping = false;
    if (this.outbox.blocked && !this.closed) this.#retryLater();
  }

  async #settle(message: Outgoing): Promise<void> {
    try {
      await this.#options.transmit(message);
    } catch (error) {
      if (!this.closed) this.#notSent(message, error);
      return;
    }
    this.#sentBytes += bytesOf(message.frames);
    this.outbox.sent(message);
  }

  #notSent(message: Outgoing, error: unknown): void {
    switch (codeOf(error)) {
      case 'EAGAIN':
        return this.outbox.block(message);
      case 'EHOSTUNREACH':
        this.outbox.drop(message.connection);
        return this.#options.onGone(message.connection);
      default:
        throw error;
    }
  }

  #retryLater(): void {
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = null;
      this.outbox.unblock();
      void this.#pump();
    });
  }
}
