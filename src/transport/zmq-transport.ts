/**
 * The transport between processes: a listener is a ROUTER, a dialer a DEALER; the only file that knows zeromq.
 * A socket allows one send and one receive at a time, so each has one pump that empties its outbox and one reader.
 * zmq connects again by itself after a loss, and what waits then goes to whoever listens.
 * Limits: a frame that is too long makes zmq cut the connection without a word to either side; zmq's inproc sockets
 * enforce no maximum and share memory (checked and copied here), and do not connect again after their listener closed.
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
  Dialer,
  DialOptions,
  Listener,
  ListenOptions,
  PeerId,
  SendOutcome,
  Transport,
  TransportCounters,
} from './transport.js';

/** Messages per peer that zmq takes ahead of the network, and keeps unread: so that neither side waits for the other's turn. */
const IN_ZMQ = 15;

const TIMING = {
  /** A silent connection is probed by the kernel: first after so long, then so often. */
  keepaliveIdleS: 10,
  keepaliveIntervalS: 5,
  /** A peer that connects and does not speak zmq's protocol. */
  handshakeMs: 5000,
  connectMs: 5000,
  reconnectMs: 50,
  reconnectMaxMs: 500,
  /** A dialer has one peer and may wait for it inside zmq. */
  dialerSendMs: 1000,
} as const;

/** ZeroMQ within this process (inproc), on this machine (ipc) and between machines (tcp). */
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
  /** Connections that have spoken and were not found gone since, the one silent for longest first. */
  readonly #peers = new Set<PeerId>();
  endpoint: string;

  constructor(options: ListenOptions, clock: Clock) {
    this.#options = options;
    this.endpoint = options.endpoint;
    this.#socket = new zmq.Router({ ...socketOptions(options), mandatory: true, handover: true, sendTimeout: 0 });
    const socket = this.#socket;
    this.#end = new SocketEnd({
      ...endOptions(socket, options, clock),
      transmit: ({ peer, frames }) => socket.send([Buffer.from(peer, 'hex'), ...frames]),
      onGone: (peer) => this.#peers.delete(peer),
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

  send(peer: PeerId, frames: Frames): SendOutcome {
    assertWithinMaxima(frames, this.#options);
    if (this.#end.closed || !this.#peers.has(peer)) return 'gone';
    return this.#end.send({ peer, frames });
  }

  counters(): TransportCounters {
    return this.#end.counters();
  }

  close(): Promise<void> {
    return this.#end.close();
  }

  #receive([routingId, ...frames]: Frames): void {
    assert(routingId !== undefined, 'a ROUTER names the peer of every message');
    const peer = Buffer.from(routingId).toString('hex');
    this.#remember(peer);
    if (withinMaxima(frames, this.#options)) this.#options.onMessage(peer, frames);
    else this.#end.refused++;
  }

  #remember(peer: PeerId): void {
    this.#peers.delete(peer);
    this.#peers.add(peer);
    if (this.#peers.size <= LIMITS.connections) return;
    const [longestSilent = peer] = this.#peers;
    this.#peers.delete(longestSilent);
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
      onGone: () => assert(false, 'a DEALER has no peer that it could miss'),
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
    return this.#end.closed ? 'full' : this.#end.send({ peer: '', frames });
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

/** Over inproc a receiver gets the sender's own memory: without a copy, each would see what the other does to it. */
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
    // Without it, a message for a peer that is gone would hold the process open.
    linger: 0,
    maxMessageSize: frameBytesMax,
    sendHighWaterMark: IN_ZMQ,
    receiveHighWaterMark: IN_ZMQ,
    // Not zmq's own heartbeats: with a full queue and a peer that leaves, they abort the process (libzmq 4.3.5, issue 4364).
    tcpKeepalive: 1,
    tcpKeepaliveIdle: TIMING.keepaliveIdleS,
    tcpKeepaliveInterval: TIMING.keepaliveIntervalS,
    tcpKeepaliveCount: 3,
    handshakeInterval: TIMING.handshakeMs,
    connectTimeout: TIMING.connectMs,
    ipv6: endpoint.includes('['),
  };
}
