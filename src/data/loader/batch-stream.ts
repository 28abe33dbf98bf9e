/**
 * Batches in the order of a list, asked of the loader ahead of their use: while one is in the step, the threads have the
 * next ones in hand.
 */

import { assert, present } from '../../base/assert.js';
import type { BatchArrays } from '../batch.js';
import type { BatchRequest } from './job-queue.js';
import type { Loader, Loading } from './loader.js';

/** At most so many batches are asked for and not given back; the one in use is among them. */
export const BATCHES_AHEAD = 16;

export class BatchStream {
  readonly #loader: Loader;
  readonly #requests: readonly BatchRequest[];
  readonly #ahead: number;
  /** Asked for and not given back, in order. */
  readonly #loadings: Loading[] = [];
  #asked = 0;
  #isFirst = true;

  /** Asks for the first ones at once. As many are asked for at a time as the ring has room for. */
  constructor(loader: Loader, requests: readonly BatchRequest[]) {
    this.#loader = loader;
    this.#requests = requests;
    const largest = requests.reduce((max, { samples }) => Math.max(max, samples.length), 1);
    this.#ahead = Math.min(BATCHES_AHEAD, Math.max(2, Math.floor(loader.rows / largest)));
    this.#ask();
  }

  /**
   * The next batch, which is the caller's until it asks for another one or closes the stream. One call at a time;
   * asserts that there is another one. Rejects when a loader thread failed.
   */
  async next(): Promise<BatchArrays> {
    if (!this.#isFirst) this.#loadings.shift()?.giveBack();
    this.#isFirst = false;
    this.#ask();
    const loading = present(this.#loadings[0], 'another batch');
    await loading.ready();
    assert(loading === this.#loadings[0], 'a batch of a stream that is closed');
    return this.#loader.arraysOf([loading]);
  }

  /** Gives back all batches that were asked for. Safe to call twice. */
  close(): void {
    this.#asked = this.#requests.length;
    for (const loading of this.#loadings.splice(0)) loading.giveBack();
  }

  /** It asks for several at a time: to wake a thread costs as much as to assemble a small batch. */
  #ask(): void {
    if (2 * this.#loadings.length > this.#ahead) return;
    const next = this.#requests.slice(this.#asked, this.#asked + this.#ahead - this.#loadings.length);
    this.#asked += next.length;
    if (next.length > 0) this.#loadings.push(...this.#loader.request(next));
  }
}
