/**
 * The data plane as a client: one connection per endpoint, opened when it is first needed. Addresses of workers change
 * with every incarnation, so connections beyond a maximum are closed, the one not used for longest first.
 */

import type { Clock } from '../../src/base/clock.js';
import type { AnswerTo, DataMessage, DataRequestBody } from '../../src/protocol/data.js';
import { LIMITS } from '../../src/protocol/limits.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import { type DataClient, openDataClient } from '../../src/transport/data-client.js';
import type { Transport } from '../../src/transport/transport.js';

export interface PeerRequest<B extends DataRequestBody> {
  readonly body: B;
  readonly tensors?: readonly WireTensor[];
  readonly deadlineMs: number;
}

interface Connection {
  readonly opening: Promise<DataClient>;
  client: DataClient | null;
}

export class Peers {
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
  async request<B extends DataRequestBody>(endpoint: string, request: PeerRequest<B>): Promise<DataMessage<AnswerTo<B['type']>>> {
    const client = await this.#connect(endpoint);
    return client.request(request.body, request.tensors ?? [], request.deadlineMs);
  }

  /** Sent and received. */
  bytes(): number {
    return [...this.#connections.values()].reduce((sum, { client }) => sum + bytesOf(client), this.#bytesOfClosed);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.keys()].map((endpoint) => this.#disconnect(endpoint)));
  }

  #connect(endpoint: string): Promise<DataClient> {
    let connection = this.#connections.get(endpoint);
    if (connection === undefined) {
      const opening = openDataClient({ transport: this.#transport, endpoint, clock: this.#clock });
      const opened: Connection = { opening, client: null };
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
    const [oldest] = this.#connections.keys();
    if (this.#connections.size > LIMITS.members && oldest !== undefined) void this.#disconnect(oldest);
    return connection.opening;
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
