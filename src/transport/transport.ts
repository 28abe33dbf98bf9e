/**
 * What a transport is: frames to and from peers, in order per peer, with a written maximum for every queue and frame.
 * It knows nothing of messages. Implementations: memory (tests, simulations) and zmq (ROUTER and DEALER sockets).
 */

import type { Frames } from '../protocol/frames.js';

/** A connected peer as a listener sees it; equal for all frames of one connection, unique per listener. */
export type PeerId = string;

/**
 * `queued`: on its way, and lost only with the connection. `full`: the queue to that peer is at its maximum, nothing was
 * queued. `gone`: the peer is not connected; so for every peer of a closed listener. A loss may show only at a later send.
 */
export type SendOutcome = 'queued' | 'full' | 'gone';

export interface ChannelOptions {
  /** `tcp://host:port` (port `*`: any), `ipc://path` or `inproc://name`. */
  readonly endpoint: string;
  /** A longer frame is refused: its message is dropped, and the peer may be cut off, to connect again. */
  readonly frameBytesMax: number;
  /** Frames a message may have; more, and the message is dropped and counted. */
  readonly framesMax: number;
  /** Messages waiting to be sent, per peer. Up to 16 more may be on their way already. */
  readonly queueMax: number;
}

export interface ListenOptions extends ChannelOptions {
  /** Called once per message, never concurrently. Must not throw. */
  onMessage(peer: PeerId, frames: Frames): void;
}

export interface DialOptions extends ChannelOptions {
  onMessage(frames: Frames): void;
}

export interface TransportCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Messages that were refused because they broke a maximum. */
  readonly refused: number;
}

export interface Listener {
  /** Where peers can reach it, with the port that was taken. */
  readonly endpoint: string;
  send(peer: PeerId, frames: Frames): SendOutcome;
  counters(): TransportCounters;
  /** Drops what is queued. Safe to call twice. */
  close(): Promise<void>;
}

export interface Dialer {
  /** Before the listener is there, and while it is away, messages wait in the queue. Always `full` once closed. */
  send(frames: Frames): Exclude<SendOutcome, 'gone'>;
  counters(): TransportCounters;
  close(): Promise<void>;
}

export interface Transport {
  /** Throws StillhouseError `transport.bind` when the address cannot be listened on. */
  listen(options: ListenOptions): Promise<Listener>;
  /** Resolves at once: the connection is made, and made again after a loss, in the background. */
  dial(options: DialOptions): Promise<Dialer>;
}
