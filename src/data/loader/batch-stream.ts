/**
 * Batches in the order of a list, requested from the loader ahead of their use: while one is in the step, the threads assemble
 * the next ones.
 */

import { assert, present } from '../../base/assert.js';
import type { BatchArrays } from '../batch.js';
import type { BatchRequest } from './job-queue.js';
import type { Loader, Loading } from './loader.js';

/** The most batches that are requested and not given back, the one in use included. */
export const BATCHES_AHEAD = 16;

export class BatchStream {
  readonly #loader: Loader;
  readonly #requests: readonly BatchRequest[];
  readonly #ahead: number;
  /** Requested and not given back, in order. */
  readonly #loadings: Loading[] = [];
  #asked = 0;
  #isFirst = true;

  /** Requests the first batches at once, as many at a time as the ring has room for. */
  constructor(loader: Loader, requests: readonly BatchRequest[]) {
    this.#loader = loader;
    this.#requests = requests;
    const largest = requests.reduce((max, { samples }) => Math.max(max, samples.length), 1);
    this.#ahead = Math.min(BATCHES_AHEAD, Math.max(2, Math.floor(loader.rows / largest)));
    this.#ask();
  }

  /**
   * The next batch, which belongs to the caller until it asks for another one or closes the stream. Must not be called again before it
   * settles. Asserts that there is another batch. Rejects when a loader thread failed.
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

  /** Gives back all requested batches. A second call changes nothing. */
  close(): void {
    this.#asked = this.#requests.length;
    for (const loading of this.#loadings.splice(0)) loading.giveBack();
  }

  /** Requests several batches at a time, because waking a thread costs as much as assembling a small batch. */
  #ask(): void {
    if (2 * this.#loadings.length > this.#ahead) return;
    const next = this.#requests.slice(this.#asked, this.#asked + this.#ahead - this.#loadings.length);
    this.#asked += next.length;
    if (next.length > 0) this.#loadings.push(...this.#loader.request(next));
  }
}
