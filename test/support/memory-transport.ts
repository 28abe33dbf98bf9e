/**
 * A transport within one process, for tests and simulations: a network of named hosts whose time and faults are the
 * caller's. It keeps the promises of transport.ts, and shows the same aliasing mistakes as a real one: a message is
 * copied when it is delivered, so a sender that changes it too early sends the change.
 * Invariants: messages of one connection and direction arrive in the order sent; delivery is never within `send`.
 */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Frames } from '../../src/protocol/frames.js';
import { assertWithinMaxima, bytesOf, withinMaxima } from '../../src/transport/channel.js';
import { requireEndpoint } from '../../src/transport/endpoint.js';
import type {
  ChannelOptions,
  ConnectionId,
  Dialer,
  DialOptions,
  Listener,
  ListenOptions,
  SendOutcome,
  Transport,
} from '../../src/transport/transport.js';

/** What becomes of a message. A delayed one also delays those behind it: a connection never reorders. */
export type Fate = 'deliver' | 'drop' | 'duplicate' | { readonly delayMs: number };

export interface MemoryNetworkOptions {
  /** Calls `deliver` later, never at once. Left out: by setImmediate, whatever the delay. */
  schedule?(delayMs: number, deliver: () => void): void;
  /** Asked once per message, with the names of the two hosts. Left out: everything is delivered. */
  fate?(from: string, to: string, frames: Frames): Fate;
}

export interface MemoryNetwork {
  /** The transport of one host. Endpoints are shared by the whole network. */
  transportOf(host: string): Transport;
}

/**
 * A network without hosts or listeners. It has no end of its own: what is closed leaves it. Its transports throw
 * `transport.bind` for an address that is none, and on listening where somebody listens already.
 */
export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const network = new Network(options);
  return {
    transportOf: (host) => ({
      listen: async (listen) => network.listen(host, listen),
      dial: async (dial) => network.dial(host, dial),
    }),
  };
}

/** The transport of a network's only host, `local`, for who needs no second one. */
export function createMemoryTransport(options: MemoryNetworkOptions = {}): Transport {
  return createMemoryNetwork(options).transportOf('local');
}

class Network {
  readonly schedule: (delayMs: number, deliver: () => void) => void;
  readonly fate: (from: string, to: string, frames: Frames) => Fate;
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #dialers = new Set<MemoryDialer>();
  #names = 0;

  constructor({ schedule, fate }: MemoryNetworkOptions) {
    this.schedule = schedule ?? ((_delayMs, deliver) => setImmediate(deliver));
    this.fate = fate ?? (() => 'deliver');
  }

  listen(host: string, options: ListenOptions): Listener {
    requireEndpoint(options.endpoint);
    const endpoint = options.endpoint.replace(/:\*$/, () => `:${++this.#names}`);
    if (this.#listeners.has(endpoint)) {
      throw new StillhouseError('transport.bind', `cannot listen on ${endpoint}: the address is in use`);
    }
    const listener = new MemoryListener(this, host, { ...options, endpoint });
    this.#listeners.set(endpoint, listener);
    for (const dialer of this.#dialers) dialer.outbound.flush();
    return listener;
  }

  dial(host: string, options: DialOptions): Dialer {
    requireEndpoint(options.endpoint);
    const dialer = new MemoryDialer(this, `${host}#${++this.#names}`, { host, options });
    this.#dialers.add(dialer);
    return dialer;
  }

  listenerAt(endpoint: string): MemoryListener | undefined {
    return this.#listeners.get(endpoint);
  }

  remove(end: MemoryListener | MemoryDialer): void {
    if (end instanceof MemoryListener) {
      if (this.#listeners.get(end.endpoint) === end) this.#listeners.delete(end.endpoint);
      return;
    }
    this.#dialers.delete(end);
    for (const listener of this.#listeners.values()) listener.forget(end.connection);
  }
}

/** One direction of a connection: a bounded queue whose head is delivered once its time has come. */
class Pipe {
  readonly #network: Network;
  readonly #queueMax: number;
  readonly #receive: (frames: Frames) => boolean;
  #waiting: { readonly frames: Frames; due: boolean }[] = [];

  /** `receive` is false while there is nobody to receive: the message waits for the next `flush`. */
  constructor(network: Network, queueMax: number, receive: (frames: Frames) => boolean) {
    this.#network = network;
    this.#queueMax = queueMax;
    this.#receive = receive;
  }

  send(frames: Frames, fate: Fate): 'queued' | 'full' {
    if (this.#waiting.length >= this.#queueMax) return 'full';
    if (fate === 'drop') return 'queued';
    for (let copies = fate === 'duplicate' ? 2 : 1; copies > 0; copies--) {
      const message = { frames, due: false };
      this.#waiting.push(message);
      this.#network.schedule(typeof fate === 'object' ? fate.delayMs : 0, () => {
        message.due = true;
        this.flush();
      });
    }
    return 'queued';
  }

  flush(): void {
    while (this.#waiting[0]?.due === true) {
      const message = this.#waiting.shift()!;
      if (this.#receive(message.frames)) continue;
      this.#waiting.unshift(message);
      return;
    }
  }

  clear(): void {
    this.#waiting = [];
  }
}

/** What both ends share: counters and the check of what arrives. */
class End {
  #sentBytes = 0;
  #receivedBytes = 0;
  #refused = 0;
  readonly #options: ChannelOptions;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  sent(frames: Frames): void {
    this.#sentBytes += bytesOf(frames);
  }

  /** A copy of what arrived, or null when it breaks a maximum. */
  accept(frames: Frames): Frames | null {
    if (!withinMaxima(frames, this.#options)) {
      this.#refused++;
      return null;
    }
    this.#receivedBytes += bytesOf(frames);
    return frames.map((frame) => Uint8Array.from(frame));
  }

  counters() {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes, refused: this.#refused };
  }
}

class MemoryListener implements Listener {
  readonly endpoint: string;
  readonly host: string;
  readonly #network: Network;
  readonly #options: ListenOptions;
  readonly #end: End;
  readonly #dialers = new Map<ConnectionId, { readonly host: string; readonly pipe: Pipe }>();

  constructor(network: Network, host: string, options: ListenOptions) {
    this.#network = network;
    this.host = host;
    this.endpoint = options.endpoint;
    this.#options = options;
    this.#end = new End(options);
  }

  receive(dialer: MemoryDialer, frames: Frames): void {
    if (!this.#dialers.has(dialer.connection)) {
      const pipe = new Pipe(this.#network, this.#options.queueMax, (answer) => dialer.receive(answer));
      this.#dialers.set(dialer.connection, { host: dialer.host, pipe });
    }
    const accepted = this.#end.accept(frames);
    if (accepted !== null) this.#options.onMessage(dialer.connection, accepted);
  }

  send(connection: ConnectionId, frames: Frames): SendOutcome {
    assertWithinMaxima(frames, this.#options);
    const to = this.#dialers.get(connection);
    if (to === undefined) return 'gone';
    const outcome = to.pipe.send(frames, this.#network.fate(this.host, to.host, frames));
    if (outcome === 'queued') this.#end.sent(frames);
    return outcome;
  }

  forget(connection: ConnectionId): void {
    this.#dialers.get(connection)?.pipe.clear();
    this.#dialers.delete(connection);
  }

  counters() {
    return this.#end.counters();
  }

  async close(): Promise<void> {
    this.#network.remove(this);
    for (const connection of [...this.#dialers.keys()]) this.forget(connection);
  }
}

class MemoryDialer implements Dialer {
  readonly connection: ConnectionId;
  readonly host: string;
  readonly outbound: Pipe;
  readonly #network: Network;
  readonly #options: DialOptions;
  readonly #end: End;
  #closed = false;

  constructor(network: Network, connection: ConnectionId, { host, options }: { readonly host: string; readonly options: DialOptions }) {
    this.#network = network;
    this.connection = connection;
    this.host = host;
    this.#options = options;
    this.#end = new End(options);
    this.outbound = new Pipe(network, options.queueMax, (frames) => {
      const listener = network.listenerAt(options.endpoint);
      listener?.receive(this, frames);
      return listener !== undefined;
    });
  }

  receive(frames: Frames): boolean {
    const accepted = this.#end.accept(frames);
    if (accepted !== null) this.#options.onMessage(accepted);
    return true;
  }

  send(frames: Frames): 'queued' | 'full' {
    assertWithinMaxima(frames, this.#options);
    if (this.#closed) return 'full';
    const to = this.#network.listenerAt(this.#options.endpoint);
    const outcome = this.outbound.send(frames, to === undefined ? 'deliver' : this.#network.fate(this.host, to.host, frames));
    if (outcome === 'queued') this.#end.sent(frames);
    return outcome;
  }

  counters() {
    return this.#end.counters();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.outbound.clear();
    this.#network.remove(this);
  }
}
