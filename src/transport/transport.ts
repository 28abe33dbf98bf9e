/**
 * The interface of a transport: it carries lists of frames over connections, in the order of each connection, with a
 * written maximum for every queue and frame. It does not know the meaning of the frames. Implementations: zmq (ROUTER and
 * DEALER sockets), and one in memory for tests and simulations.
 */

import type { Frames } from '../protocol/frames.js';

/** The id of a connection at its listener: the same for all messages of the connection, and unique at the listener. */
export type ConnectionId = string;

/**
 * `queued`: the message will be sent, unless the connection is lost. `full`: the connection's queue is at its maximum, and
 * nothing was queued. `gone`: there is no such connection; a closed listener has none. A loss may show only at a later send.
 */
export type SendOutcome = 'queued' | 'full' | 'gone';

export interface ChannelOptions {
  /** `tcp://host:port` (port `*` takes any free one), `ipc://path` or `inproc://name`. */
  readonly endpoint: string;
  /** The maximum of bytes in a frame. A message with a longer one is dropped, and its sender may be disconnected. */
  readonly frameBytesMax: number;
  /** The maximum of frames in a message. A message with more is dropped and counted. */
  readonly framesMax: number;
  /** The maximum of messages that wait on one connection. Up to 16 more may be inside the transport. */
  readonly queueMax: number;
}

export interface ListenOptions extends ChannelOptions {
  /** Called once for each message, never concurrently. It must not throw. The frames belong to the callee. */
  onMessage(connection: ConnectionId, frames: Frames): void;
}

export interface DialOptions extends ChannelOptions {
  /** As in {@link ListenOptions}. */
  onMessage(frames: Frames): void;
}

export interface TransportCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The number of received messages that were dropped because they broke a maximum. */
  readonly refused: number;
}

export interface Listener {
  /** The address to dial, with the port that was taken. */
  readonly endpoint: string;
  /** Queues a message on a connection. The frames' memory must never change again. */
  send(connection: ConnectionId, frames: Frames): SendOutcome;
  counters(): TransportCounters;
  /** Drops the queued messages. Resolves when the address is free. Safe to call twice. */
  close(): Promise<void>;
}

export interface Dialer {
  /**
   * Queues a message. It waits in the queue until a listener is at the address. A closed dialer answers `full`. The frames'
   * memory must never change again.
   */
  send(frames: Frames): Exclude<SendOutcome, 'gone'>;
  counters(): TransportCounters;
  close(): Promise<void>;
}

export interface Transport {
  /** Listens on an address. Throws `transport.bind` when the address cannot be listened on. */
  listen(options: ListenOptions): Promise<Listener>;
  /**
   * Dials an address and resolves at once. The connection is made in the background, and made again after a loss. Throws
   * `transport.bind` when the address is not valid.
   */
  dial(options: DialOptions): Promise<Dialer>;
}
