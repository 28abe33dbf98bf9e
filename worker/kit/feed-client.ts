/** Asks the coordinator for data, for as long as it takes. It does not know what the data are. */

import type { Clock } from '../../src/base/clock.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { AnswerTo, DataMessage, DataRequestBody } from '../../src/protocol/data.js';
import type { RefuseReason } from '../../src/protocol/field.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { Connections } from './connections.js';
import { DATA_TIMING } from './timing.js';

/** Refusals after which another try may be answered. */
const PASSING: readonly RefuseReason[] = ['busy', 'not-ready'];

/** A request for data of a split. */
type FeedBody = Extract<DataRequestBody, { type: 'split.get' | 'image.get' }>;

export interface FeedClientOptions {
  readonly connections: Connections;
  /** The address of the coordinator's data plane. */
  readonly endpoint: string;
  readonly clock: Clock;
}

export class FeedClient {
  readonly #options: FeedClientOptions;
  #isClosed = false;

  constructor(options: FeedClientOptions) {
    this.#options = options;
  }

  /** The address of the coordinator. */
  get endpoint(): string {
    return this.#options.endpoint;
  }

  /**
   * Asks until there is an answer. Throws data.missing when the coordinator cannot give it, transport.deadline when it has not answered for
   * DATA_TIMING.feedSilentMs, transport.closed when this client is closed, and protocol.invalid.
   */
  async ask<B extends FeedBody>(body: B, tensors: readonly WireTensor[] = []): Promise<DataMessage<AnswerTo<B['type']>>> {
    const { connections, endpoint, clock } = this.#options;
    const startMs = clock.nowMs();
    for (let pauseMs: number = DATA_TIMING.restMs; ; pauseMs = Math.min(2 * pauseMs, DATA_TIMING.restMaxMs)) {
      try {
        return await connections.request(endpoint, { body, tensors, deadlineMs: DATA_TIMING.feedMs });
      } catch (error) {
        const isOver = clock.nowMs() - startMs >= DATA_TIMING.feedSilentMs;
        this.#judge(error, body.split, isOver);
      }
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve, { unref: true }));
    }
  }

  /** Ends all requests: none is made again. */
  close(): void {
    this.#isClosed = true;
  }

  /** Throws unless another try may help. */
  #judge(error: unknown, split: string, isOver: boolean): void {
    const { endpoint } = this.#options;
    if (this.#isClosed || !(error instanceof StillhouseError)) throw error;
    if (error instanceof RequestRefusal && !PASSING.includes(error.reason)) {
      throw new StillhouseError('data.missing', `the coordinator cannot give the split ${split}: ${error.said}`, {
        address: endpoint,
        cause: error,
      });
    }
    if (!error.retryable) throw error;
    if (!isOver) return;
    const what = `the coordinator has given nothing of the split ${split} for ${DATA_TIMING.feedSilentMs / 1000} s: ${messageOf(error)}`;
    throw new StillhouseError('transport.deadline', what, { address: endpoint, cause: error });
  }
}
