/**
 * Batches in the order of a list, asked of the loader a few ahead of their use: while one is in the step, the threads
 * have the next ones in hand.
 */

import { assert, present } from '../../base/assert.js';
import type { BatchArrays } from '../batch.js';
import type { BatchRequest } from './job-board.js';
import type { Loader, Loading } from './loader.js';

/**
 * Batches that are asked for at a time, the one in use among them. The step blocks the thread that asks, so what the
 * threads are to do meanwhile must be asked for before: two would do, and the rest is for steps that take no longer than
 * their batch.
 */
export const BATCHES_AHEAD = 4;

export class BatchStream {
  readonly #loader: Loader;
  readonly #requests: readonly BatchRequest[];
  /** Asked for and not given back, in order. */
  readonly #loadings: Loading[] = [];
  #asked = 0;
  #isFirst = true;

  /** Asks for the first ones at once. */
  constructor(loader: Loader, requests: readonly BatchRequest[]) {
    this.#loader = loader;
    this.#requests = requests;
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

  /** Gives back what was asked for. Safe to call twice. */
  close(): void {
    this.#asked = this.#requests.length;
    for (const loading of this.#loadings.splice(0)) loading.giveBack();
  }

  #ask(): void {
    for (; this.#loadings.length < BATCHES_AHEAD && this.#asked < this.#requests.length; this.#asked++) {
      this.#loadings.push(this.#loader.request(this.#requests[this.#asked]!));
    }
  }
}
