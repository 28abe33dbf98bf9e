/**
 * Requests for logits, merged: those that wait while a batch is in the model go into the next one together, whichever
 * students they come from. It knows nothing of models or sockets.
 *
 * Invariants: a request is answered once, whole, its rows in its own order; a batch has at most `rowsMax` rows, unless
 * one request alone has more; no more than `waitingMax` requests wait.
 */

import { setImmediate } from 'node:timers/promises';
import type { SampleView } from '../engine/view.js';

export interface InferenceQueueOptions {
  readonly rowsMax: number;
  readonly waitingMax: number;
  /** Numbers per row of an answer. */
  readonly classes: number;
  /** Logits [B, classes] of the views' rows, one view after the other. */
  infer(views: readonly SampleView[]): Float32Array;
}

interface Waiting {
  readonly view: SampleView;
  resolve(logits: Float32Array): void;
  reject(error: unknown): void;
}

export class InferenceQueue {
  readonly #options: InferenceQueueOptions;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(options: InferenceQueueOptions) {
    this.#options = options;
  }

  /** Logits [rows, classes] of a view, a fresh array; null when too many requests wait. Rejects with what `infer` throws. */
  ask(view: SampleView): Promise<Float32Array> | null {
    if (this.#waiting.length >= this.#options.waitingMax) return null;
    return new Promise<Float32Array>((resolve, reject) => {
      this.#waiting.push({ view, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Ends what waits with this error. */
  fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      // Requests that have arrived but not been read yet join the batch.
      await setImmediate();
      this.#runBatch(this.#takeBatch());
    }
    this.#isRunning = false;
  }

  #takeBatch(): Waiting[] {
    let rows = 0;
    const fits = ({ view }: Waiting, index: number) => {
      rows += view.samples.length;
      return index === 0 || rows <= this.#options.rowsMax;
    };
    const tooMany = this.#waiting.findIndex((waiting, index) => !fits(waiting, index));
    return this.#waiting.splice(0, tooMany < 0 ? this.#waiting.length : tooMany);
  }

  #runBatch(batch: readonly Waiting[]): void {
    if (batch.length === 0) return;
    try {
      const logits = this.#options.infer(batch.map(({ view }) => view));
      let row = 0;
      for (const { view, resolve } of batch) {
        const end = row + view.samples.length;
        resolve(logits.slice(row * this.#options.classes, end * this.#options.classes));
        row = end;
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
