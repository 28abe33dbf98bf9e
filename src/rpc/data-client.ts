/**
 * The asking side of the data plane, for one server. Owns the ids of requests, their deadlines, and the bound on how
 * many are unanswered; it does not try again: who asks decides whether and whom to ask once more.
 * Invariants: every request ends exactly once, with its answer or an error, at its deadline at the latest; an answer
 * that nobody waits for any more is dropped.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import { LIMITS } from '../base/limits.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { decodeDataAnswer, encodeData } from '../protocol/codec.js';
import { ANSWER_OF, type AnswerTo, type DataAnswer, type DataMessage, type DataRequest, type DataRequestBody } from '../protocol/data.js';
import type { Frames } from '../protocol/frames.js';
import type { WireTensor } from '../tensor/tensor.js';
import { DATA_CHANNEL } from '../transport/channel.js';
import type { Dialer, Transport, TransportCounters } from '../transport/transport.js';
import { PeerRefusal } from './peer-refusal.js';

export interface DataClient {
  /**
   * Asks, and resolves to the answer of the type that belongs to the request. The tensors' memory must not change until
   * then; after an error, never again. Throws {@link PeerRefusal} (`peer.refused`), `transport.deadline`,
   * `transport.full` (too many requests unanswered), `transport.closed`, or `protocol.invalid` for an answer that is none.
   */
  request<B extends DataRequestBody>(
    body: B,
    tensors: readonly WireTensor[],
    deadlineMs: number,
  ): Promise<DataMessage<AnswerTo<B['type']>>>;
  counters(): TransportCounters;
  /** Requests under way end with `transport.closed`. Safe to call twice. */
  close(): Promise<void>;
}

interface Pending {
  readonly type: DataRequest['type'];
  readonly timer: TimerHandle;
  resolve(answer: DataMessage<DataAnswer>): void;
  reject(error: StillhouseError): void;
}

/** Resolves at once; requests wait for the connection, up to their deadlines. */
export async function openDataClient(options: {
  readonly transport: Transport;
  readonly endpoint: string;
  readonly clock: Clock;
}): Promise<DataClient> {
  const { transport, endpoint, clock } = options;
  const requests = new Requests(endpoint, clock);
  const dialer = await transport.dial({ endpoint, ...DATA_CHANNEL, onMessage: (frames) => requests.settle(frames) });
  return {
    // The type of the answer is checked against the request's when it arrives.
    request: <B extends DataRequestBody>(body: B, tensors: readonly WireTensor[], deadlineMs: number) =>
      requests.start({ body, tensors, deadlineMs }, dialer) as Promise<DataMessage<AnswerTo<B['type']>>>,
    counters: () => {
      const counters = dialer.counters();
      return { ...counters, refused: counters.refused + requests.malformed };
    },
    close: () => {
      requests.close();
      return dialer.close();
    },
  };
}

interface Question {
  readonly body: DataRequestBody;
  readonly tensors: readonly WireTensor[];
  readonly deadlineMs: number;
}

class Requests {
  malformed = 0;
  readonly #endpoint: string;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #closed = false;

  constructor(endpoint: string, clock: Clock) {
    this.#endpoint = endpoint;
    this.#clock = clock;
  }

  async start({ body, tensors, deadlineMs }: Question, dialer: Dialer): Promise<DataMessage<DataAnswer>> {
    if (this.#closed) throw this.#error('transport.closed', `${body.type} was asked of a closed connection`);
    if (this.#pending.size >= LIMITS.requestsInFlight) {
      throw this.#error('transport.full', `${body.type} was not sent: ${this.#pending.size} requests are unanswered`);
    }
    const id = this.#freeId();
    if (dialer.send(encodeData(body, id, tensors)) === 'full') {
      throw this.#error('transport.full', `${body.type} was not sent: the queue is at its maximum`);
    }
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(deadlineMs, () => {
        this.#pending.delete(id);
        reject(this.#error('transport.deadline', `${body.type} was not answered within ${deadlineMs} ms`));
      });
      this.#pending.set(id, { type: body.type, timer, resolve, reject });
    });
  }

  settle(frames: Frames): void {
    const answer = decodeDataAnswer(frames);
    const id = answer.ok ? answer.message.header.id : answer.id;
    if (!answer.ok) this.malformed++;
    const pending = this.#take(id);
    if (pending === undefined) return;
    if (!answer.ok) {
      pending.reject(this.#error('protocol.invalid', `the answer to ${pending.type} is malformed: ${answer.detail}`));
      return;
    }
    const { header } = answer.message;
    if (header.type === 'refuse') {
      pending.reject(new PeerRefusal(pending.type, { reason: header.reason, message: header.message, peer: this.#endpoint }));
    } else if (header.type !== ANSWER_OF[pending.type]) {
      pending.reject(this.#error('protocol.invalid', `${pending.type} was answered with ${header.type}`));
    } else {
      pending.resolve(answer.message);
    }
  }

  close(): void {
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id)!;
      pending.reject(this.#error('transport.closed', `the connection was closed before ${pending.type} was answered`));
    }
  }

  #take(id: number | null): Pending | undefined {
    if (id === null) return undefined;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.timer.cancel();
    return pending;
  }

  /** Ids go round after 2^32; one that is still unanswered is left out. */
  #freeId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #error(code: 'transport.closed' | 'transport.full' | 'transport.deadline' | 'protocol.invalid', what: string): StillhouseError {
    return new StillhouseError(code, what, { peer: this.#endpoint });
  }
}
