/** Counts the work that an engine has done since it started, for its progress reports. */

import type { Clock } from '../../src/base/clock.js';

/** Totals since the engine started. The engine sends them several times a second, between two batches. */
export interface EngineProgress {
  readonly type: 'engine.progress';
  /** Rises by 1 with every batch through the model. */
  readonly progress: number;
  readonly images: number;
  /** Milliseconds that the batches took. */
  readonly busyMs: number;
  /**
   * Bytes sent and received on the data plane as a client. Each connection has one client, so the sum over all engines counts
   * every byte once.
   */
  readonly dataBytes: number;
  /**
   * The expected time of a batch of this model, in milliseconds: the 95th percentile of the last batches, or a fifth of the
   * longest one where that is more. Null before the first batch.
   */
  readonly batchMs: number | null;
}

/** The number of last batches that the percentile covers. */
const WINDOW = 128;
/**
 * The share of the longest batch's time that is expected of the next. The longest batch had a graph recorded and built; the next
 * batch of a new size will take as long.
 */
const LONGEST_SHARE = 1 / 5;

export class Meter {
  readonly #clock: Clock;
  /** The times of the last batches: a ring. */
  readonly #recentMs: number[] = [];
  #next = 0;
  /** The longest batch of this model. */
  #longestMs = 0;
  #batches = 0;
  #images = 0;
  #busyMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs one batch through the model, synchronously, and counts it. */
  measure<T>(images: number, batch: () => T): { readonly result: T; readonly elapsedMs: number } {
    const startMs = this.#clock.nowMs();
    const result = batch();
    const elapsedMs = this.#clock.nowMs() - startMs;
    this.#recentMs[this.#next] = elapsedMs;
    this.#next = (this.#next + 1) % WINDOW;
    this.#longestMs = Math.max(this.#longestMs, elapsedMs);
    this.#batches += 1;
    this.#images += images;
    this.#busyMs += elapsedMs;
    return { result, elapsedMs };
  }

  /** Forgets the times of batches, because another model is coming and its times are not known. */
  forgetTimes(): void {
    this.#recentMs.length = 0;
    this.#next = 0;
    this.#longestMs = 0;
  }

  progress(dataBytes: number): EngineProgress {
    const sorted = [...this.#recentMs].sort((a, b) => a - b);
    const usualMs = sorted[Math.floor(0.95 * (sorted.length - 1))];
    const batchMs = usualMs === undefined ? null : Math.max(usualMs, LONGEST_SHARE * this.#longestMs);
    return { type: 'engine.progress', progress: this.#batches, images: this.#images, busyMs: this.#busyMs, dataBytes, batchMs };
  }
}
