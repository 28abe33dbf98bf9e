/**
 * One end of a connection over a socket that allows one send and one receive at a time: a pump that empties the outbox,
 * a reader, the counters, and the close. What listener and dialer share in zmq-transport.ts.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import type { Frames } from '../protocol/frames.js';
import { codeOf } from './bind-error.js';
import { bytesOf } from './channel.js';
import { Outbox, type Outgoing } from './outbox.js';
import type { PeerId, TransportCounters } from './transport.js';

/** When a peer that took nothing more is tried again. */
const RETRY_MS = 2;
/** After so long, a close is taken as done. */
const CLOSE_MS = 2000;

export interface SocketEndOptions {
  readonly clock: Clock;
  /** Messages per peer that wait in the outbox. */
  readonly queueMax: number;
  readonly messages: AsyncIterable<Frames>;
  /** Gives one message to the socket. Throws EAGAIN when the peer takes nothing more, EHOSTUNREACH when it is gone. */
  transmit(message: Outgoing): Promise<void>;
  /** Called when a peer was found gone; its messages are dropped. */
  onGone(peer: PeerId): void;
  /** Closes the socket and calls back once it is gone for good. */
  shut(done: () => void): void;
}

export class SocketEnd {
  readonly outbox: Outbox;
  closed = false;
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

  /** Resolves once the socket is gone: then its address is free, and no frame is read any more. */
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
        this.outbox.drop(message.peer);
        return this.#options.onGone(message.peer);
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
