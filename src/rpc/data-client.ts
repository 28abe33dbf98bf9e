/**
 * The client of the data plane, for one server. Owns the ids of requests, their deadlines, and the maximum of unanswered
 * requests. It does not repeat a request: the caller decides whether to ask again, and which server.
 * Invariants: every request ends exactly once, with its answer or an error, at its deadline at the latest; an answer to a
 * request that has ended is dropped.
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
import { RequestRefusal } from './request-refusal.js';

export interface DataClient {
  /**
   * Sends a request and resolves to its answer. The caller owns the answer's tensors. The memory of the request's `tensors`
   * must not change until then; after an error, it must never change again. `deadlineMs` is a duration from now. Throws
   * {@link RequestRefusal} (`request.refused`), `transport.deadline`, `transport.full` (too many unanswered requests),
   * `transport.closed`, or `protocol.invalid` (an answer that is malformed or of the wrong type).
   */
  request<B extends DataRequestBody>(
    body: B,
    tensors: readonly WireTensor[],
    deadlineMs: number,
  ): Promise<DataMessage<AnswerTo<B['type']>>>;
  counters(): TransportCounters;
  /** Closes the connection. Unanswered requests end with `transport.closed`. Safe to call twice. */
  close(): Promise<void>;
}

interface Pending {
  readonly type: DataRequest['type'];
  readonly timer: TimerHandle;
  resolve(answer: DataMessage<DataAnswer>): void;
  reject(error: StillhouseError): void;
}

/** Opens a client for the server at `endpoint`. Resolves at once; requests wait for the connection, up to their deadlines. */
export async function openDataClient(options: {
  readonly transport: Transport;
  readonly endpoint: string;
  readonly clock: Clock;
}): Promise<DataClient> {
  const { transport, endpoint, clock } = options;
  const requests = new Requests(endpoint, clock);
  const dialer = await transport.dial({ endpoint, ...DATA_CHANNEL, onMessage: (frames) => requests.settle(frames) });
  return {
    // When the answer arrives, its type is checked against the request's.
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
  /** The number of answers that could not be decoded. */
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
    if (this.#closed) throw this.#error('transport.closed', `${body.type} was not sent: the connection is closed`);
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
      pending.reject(new RequestRefusal(pending.type, { reason: header.reason, message: header.message, address: this.#endpoint }));
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

  /** The next id. Ids start again at 0 after 2^32, and the id of an unanswered request is skipped. */
  #freeId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #error(code: 'transport.closed' | 'transport.full' | 'transport.deadline' | 'protocol.invalid', what: string): StillhouseError {
    return new StillhouseError(code, what, { address: this.#endpoint });
  }
}
