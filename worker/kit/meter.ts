/** The work that an engine has done since it started: the numbers behind its progress reports. */

import type { Clock } from '../../src/base/clock.js';

/** Totals since the engine started. From the engine, several times a second, steps permitting. */
export interface EngineProgress {
  readonly type: 'engine.progress';
  /** Rises with every batch through the model. */
  readonly progress: number;
  readonly images: number;
  /** Milliseconds that the batches took. */
  readonly busyMs: number;
  /**
   * Sent and received on the data plane as a client. Each conversation has one client: the sum over all engines counts
   * every byte once.
   */
  readonly dataBytes: number;
  /**
   * How long a batch of this model may be expected to take: the 95th percentile of the last ones, or a fifth of the
   * longest if that is more. Null before the first.
   */
  readonly batchMs: number | null;
}

/** Batches that the percentile looks back on. */
const WINDOW = 128;
/**
 * The longest batch of a model counts as so many: it had a graph recorded and built, and the next batch of a size of its
 * own will take as long.
 */
const LONGEST_SHARE = 1 / 5;

export class Meter {
  readonly #clock: Clock;
  /** A ring. */
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

  /** Another model: what its batches take is not known. */
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
