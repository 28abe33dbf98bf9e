/**
 * The data plane as a client: one connection per endpoint, opened when it is needed. Addresses of workers change with
 * every incarnation, and no message says which are dead. So a connection that was not used for a while is closed: otherwise
 * it would try to reach a dead worker for ever. Beyond a maximum, the connection not used for the longest time is closed.
 */

import type { Clock } from '../../src/base/clock.js';
import { LIMITS } from '../../src/base/limits.js';
import type { AnswerTo, DataMessage, DataRequestBody } from '../../src/protocol/data.js';
import { type DataClient, openDataClient } from '../../src/rpc/data-client.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { Transport } from '../../src/transport/transport.js';
import { DATA_TIMING } from './timing.js';

export interface ConnectionRequest<B extends DataRequestBody> {
  readonly body: B;
  readonly tensors?: readonly WireTensor[];
  readonly deadlineMs: number;
}

interface Connection {
  readonly opening: Promise<DataClient>;
  client: DataClient | null;
  /** Requests that have no answer yet. */
  unanswered: number;
  usedMs: number;
}

export class Connections {
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #connections = new Map<string, Connection>();
  #bytesOfClosed = 0;

  constructor(transport: Transport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** The answer of the server at `endpoint`. Throws as DataClient.request does: late, refused, closed, full. */
  async request<B extends DataRequestBody>(endpoint: string, request: ConnectionRequest<B>): Promise<DataMessage<AnswerTo<B['type']>>> {
    const connection = this.#connect(endpoint);
    this.#closeUnused();
    connection.unanswered += 1;
    try {
      const client = await connection.opening;
      return await client.request(request.body, request.tensors ?? [], request.deadlineMs);
    } finally {
      connection.unanswered -= 1;
      connection.usedMs = this.#clock.nowMs();
    }
  }

  /** Bytes sent and received over all connections, closed ones included. */
  bytes(): number {
    return [...this.#connections.values()].reduce((sum, { client }) => sum + bytesOf(client), this.#bytesOfClosed);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.keys()].map((endpoint) => this.#disconnect(endpoint)));
  }

  #closeUnused(): void {
    const sinceMs = this.#clock.nowMs() - DATA_TIMING.connectionUnusedMs;
    for (const [endpoint, { unanswered, usedMs }] of this.#connections) {
      if (unanswered === 0 && usedMs < sinceMs) void this.#disconnect(endpoint);
    }
    const [oldest] = this.#connections.keys();
    if (this.#connections.size > LIMITS.members && oldest !== undefined) void this.#disconnect(oldest);
  }

  #connect(endpoint: string): Connection {
    let connection = this.#connections.get(endpoint);
    if (connection === undefined) {
      const opening = openDataClient({ transport: this.#transport, endpoint, clock: this.#clock });
      const opened: Connection = { opening, client: null, unanswered: 0, usedMs: 0 };
      opening.then(
        (client) => {
          opened.client = client;
        },
        () => this.#connections.delete(endpoint),
      );
      connection = opened;
    }
    this.#connections.delete(endpoint);
    this.#connections.set(endpoint, connection);
    connection.usedMs = this.#clock.nowMs();
    return connection;
  }

  async #disconnect(endpoint: string): Promise<void> {
    const connection = this.#connections.get(endpoint);
    if (connection === undefined) return;
    this.#connections.delete(endpoint);
    const client = await connection.opening.catch(() => null);
    this.#bytesOfClosed += bytesOf(client);
    await client?.close();
  }
}

function bytesOf(client: DataClient | null): number {
  if (client === null) return 0;
  const { sentBytes, receivedBytes } = client.counters();
  return sentBytes + receivedBytes;
}
