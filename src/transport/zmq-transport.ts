/**
 * The transport between processes: a listener is a ROUTER socket, a dialer a DEALER socket. The only file that imports
 * zeromq. A socket allows one send and one receive at a time; socket-end.ts keeps to that. After a loss, zmq connects again
 * by itself, and sends the waiting messages to the process that listens then.
 * Limits: a frame that is too long makes zmq end the connection without an error on either side. zmq's inproc sockets
 * enforce no maximum and share memory (so this file checks and copies), and do not connect again after their listener closed.
 */

import { randomBytes } from 'node:crypto';
import * as zmq from 'zeromq';
import { assert } from '../base/assert.js';
import { type Clock, systemClock } from '../base/clock.js';
import { LIMITS } from '../base/limits.js';
import type { Frames } from '../protocol/frames.js';
import { bindError, requireFreePath } from './bind-error.js';
import { assertWithinMaxima, withinMaxima } from './channel.js';
import { requireEndpoint } from './endpoint.js';
import { SocketEnd } from './socket-end.js';
import type {
  ChannelOptions,
  ConnectionId,
  Dialer,
  DialOptions,
  Listener,
  ListenOptions,
  SendOutcome,
  Transport,
  TransportCounters,
} from './transport.js';

/** Messages of a connection that zmq holds in each direction, so that neither side waits for the other's event loop. */
const IN_ZMQ = 15;

const TIMING = {
  /** The operating system probes a connection that was silent for `keepaliveIdleS` seconds, every `keepaliveIntervalS`. */
  keepaliveIdleS: 10,
  keepaliveIntervalS: 5,
  /**
   * A connection whose bytes the other side has not taken for this long is closed, and made again. The operating system alone would
   * go on, and repeat them after pauses that double: after a cut of a minute, the next bytes would pass up to a minute after its end.
   */
  untakenMs: 4000,
  /** A caller that has not finished zmq's handshake after this time is disconnected. */
  handshakeMs: 5000,
  connectMs: 5000,
  reconnectMs: 50,
  reconnectMaxMs: 500,
  /** A dialer has one connection, so its send may wait inside zmq, for this time at most. */
  dialerSendMs: 1000,
} as const;

/** The ZeroMQ transport: within this process (inproc), on this machine (ipc) and between machines (tcp). */
export const zmqTransport: Transport = {
  async listen(options) {
    requireEndpoint(options.endpoint);
    const listener = new ZmqListener(options, systemClock);
    await listener.bind();
    return listener;
  },
  async dial(options) {
    requireEndpoint(options.endpoint);
    const dialer = new ZmqDialer(options, systemClock);
    await dialer.connect();
    return dialer;
  },
};

class ZmqListener implements Listener {
  readonly #options: ListenOptions;
  readonly #socket: zmq.Router;
  readonly #end: SocketEnd;
  /** The connections that have sent a message and were not found gone since. The one that was silent longest is the first. */
  readonly #connections = new Set<ConnectionId>();
  endpoint: string;

  constructor(options: ListenOptions, clock: Clock) {
    this.#options = options;
    this.endpoint = options.endpoint;
    this.#socket = new zmq.Router({ ...socketOptions(options), mandatory: true, handover: true, sendTimeout: 0 });
    const socket = this.#socket;
    this.#end = new SocketEnd({
      ...endOptions(socket, options, clock),
      transmit: ({ connection, frames }) => socket.send([Buffer.from(connection, 'hex'), ...frames]),
      onGone: (connection) => this.#connections.delete(connection),
    });
  }

  async bind(): Promise<void> {
    try {
      await requireFreePath(this.endpoint);
      await this.#socket.bind(this.endpoint);
    } catch (error) {
      await this.#end.close();
      throw bindError(this.endpoint, error);
    }
    this.endpoint = this.#socket.lastEndpoint ?? this.endpoint;
    void this.#end.read((frames) => this.#receive(frames));
  }

  send(connection: ConnectionId, frames: Frames): SendOutcome {
    assertWithinMaxima(frames, this.#options);
    if (this.#end.closed || !this.#connections.has(connection)) return 'gone';
    return this.#end.send({ connection, frames });
  }

  counters(): TransportCounters {
    return this.#end.counters();
  }

  close(): Promise<void> {
    return this.#end.close();
  }

  #receive([routingId, ...frames]: Frames): void {
    assert(routingId !== undefined, 'a ROUTER names the connection of every message');
    const connection = Buffer.from(routingId).toString('hex');
    this.#remember(connection);
    if (withinMaxima(frames, this.#options)) this.#options.onMessage(connection, frames);
    else this.#end.refused++;
  }

  #remember(connection: ConnectionId): void {
    this.#connections.delete(connection);
    this.#connections.add(connection);
    if (this.#connections.size <= LIMITS.connections) return;
    const [longestSilent = connection] = this.#connections;
    this.#connections.delete(longestSilent);
    this.#end.outbox.drop(longestSilent);
  }
}

class ZmqDialer implements Dialer {
  readonly #options: DialOptions;
  readonly #socket: zmq.Dealer;
  readonly #end: SocketEnd;

  constructor(options: DialOptions, clock: Clock) {
    this.#options = options;
    this.#socket = new zmq.Dealer({
      ...socketOptions(options),
      routingId: randomBytes(8).toString('hex'),
      sendTimeout: TIMING.dialerSendMs,
      reconnectInterval: TIMING.reconnectMs,
      reconnectMaxInterval: TIMING.reconnectMaxMs,
    });
    const socket = this.#socket;
    this.#end = new SocketEnd({
      ...endOptions(socket, options, clock),
      transmit: ({ frames }) => socket.send([...frames]),
      onGone: () => assert(false, 'a DEALER has no connection that can be gone'),
    });
  }

  /** Begins to connect; throws only for an address that can never be reached. */
  async connect(): Promise<void> {
    try {
      this.#socket.connect(this.#options.endpoint);
    } catch (error) {
      await this.#end.close();
      throw bindError(this.#options.endpoint, error);
    }
    void this.#end.read((frames) => this.#receive(frames));
  }

  send(frames: Frames): 'queued' | 'full' {
    assertWithinMaxima(frames, this.#options);
    return this.#end.closed ? 'full' : this.#end.send({ connection: '', frames });
  }

  counters(): TransportCounters {
    return this.#end.counters();
  }

  close(): Promise<void> {
    return this.#end.close();
  }

  #receive(frames: Frames): void {
    if (withinMaxima(frames, this.#options)) this.#options.onMessage(frames);
    else this.#end.refused++;
  }
}

/** Copies the frames. Over inproc a receiver gets the sender's own memory, and a change by either would show at the other. */
async function* copies(messages: AsyncIterable<Frames>): AsyncIterable<Frames> {
  for await (const frames of messages) yield frames.map((frame) => Uint8Array.from(frame));
}

function endOptions(socket: zmq.Router | zmq.Dealer, { endpoint, queueMax }: ChannelOptions, clock: Clock) {
  return {
    clock,
    queueMax,
    messages: endpoint.startsWith('inproc:') ? copies(socket) : socket,
    shut(done: () => void): void {
      socket.events.on('end', done);
      socket.close();
    },
  };
}

function socketOptions({ endpoint, frameBytesMax }: ChannelOptions) {
  return {
    // Otherwise a message for a connection that is gone would keep the process alive.
    linger: 0,
    maxMessageSize: frameBytesMax,
    sendHighWaterMark: IN_ZMQ,
    receiveHighWaterMark: IN_ZMQ,
    // TCP keep-alive in place of zmq's heartbeats: with a full queue and a caller that disconnects, those abort the process
    // (libzmq 4.3.5, issue 4364).
    tcpKeepalive: 1,
    tcpKeepaliveIdle: TIMING.keepaliveIdleS,
    tcpKeepaliveInterval: TIMING.keepaliveIntervalS,
    tcpKeepaliveCount: 3,
    tcpMaxRetransmitTimeout: TIMING.untakenMs,
    handshakeInterval: TIMING.handshakeMs,
    connectTimeout: TIMING.connectMs,
    ipv6: endpoint.includes('['),
  };
}
