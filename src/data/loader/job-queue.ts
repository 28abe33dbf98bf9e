/**
 * The loader's side of the ring (ring.ts): a request gets rows and a job in its turn, and loses them when it is given back.
 * It has no threads and never waits: it acts only when it is called.
 *
 * Invariants: places are given in the order of the requests, to each when its samples are prepared; the rows of a request go to another one only when its job is done
 * and it is given back.
 */

import type { BatchView } from '../batch.js';
import type { SampleSource } from '../sample-source.js';
import { JOB_STATE, JOBS, type LoaderMemory, stateIndex, writeJob } from './ring.js';
import { RowRing } from './row-ring.js';

export interface BatchRequest {
  readonly split: SampleSource;
  readonly view: BatchView;
  /** [B], indices within the split. */
  readonly samples: Int32Array;
}

/** One request on its way. */
export interface QueueEntry {
  readonly request: BatchRequest;
  /** The number of its job and its first row; null until it has them. */
  place: { readonly number: number; readonly row: number } | null;
  isGivenBack: boolean;
  /** Whether a thread can read its samples. */
  isPrepared: boolean;
  /** Ends the use of samples that were prepared; null for others, and when it was called. */
  release: (() => void) | null;
  /** The error of samples that could not be prepared: the request is never done. */
  failure: Error | null;
}

export class JobQueue {
  readonly #memory: LoaderMemory;
  readonly #ring: RowRing<QueueEntry>;
  readonly #sourceOf: (request: BatchRequest) => number;
  /** The requests without a place. */
  readonly #queue: QueueEntry[] = [];
  #nextJob = 0;

  /** `sourceOf` returns the number of the request's source. The threads must know that source when it returns. */
  constructor(memory: LoaderMemory, sourceOf: (request: BatchRequest) => number) {
    this.#memory = memory;
    this.#ring = new RowRing(memory.samples.length, JOBS);
    this.#sourceOf = sourceOf;
  }

  add(requests: readonly BatchRequest[]): QueueEntry[] {
    const entries = requests.map((request): QueueEntry => {
      const isPrepared = request.split.prepare === undefined;
      return { request, place: null, isGivenBack: false, isPrepared, release: null, failure: null };
    });
    this.#queue.push(...entries);
    this.advance();
    return entries;
  }

  /** Whether the rows of the request are loaded. */
  isDone({ place }: QueueEntry): boolean {
    return place !== null && Atomics.load(this.#memory.control, stateIndex(place.number)) === JOB_STATE.done;
  }

  /** The samples of a request can be read from now on, until `release` is called. */
  prepared(entry: QueueEntry, release: () => void): void {
    entry.isPrepared = true;
    entry.release = release;
    if (entry.isGivenBack) end(entry);
    else this.advance();
  }

  /** The samples of a request cannot be had: it is never done, and holds up no other. */
  failed(entry: QueueEntry, error: Error): void {
    entry.failure = error;
    this.advance();
  }

  /** Gives a request back. A batch that no thread is loading is then not loaded. A second call changes nothing. */
  giveBack(entry: QueueEntry): void {
    entry.isGivenBack = true;
    if (entry.place !== null) {
      Atomics.compareExchange(this.#memory.control, stateIndex(entry.place.number), JOB_STATE.asked, JOB_STATE.skipped);
    }
    this.advance();
  }

  /** Frees the rows of requests that are done and given back, and gives places to waiting requests, while there is room. */
  advance(): void {
    this.#ring.free((entry) => {
      const isOver = entry.isGivenBack && this.isDone(entry);
      if (isOver) end(entry);
      return isOver;
    });
    const first = this.#nextJob;
    for (let next = this.#queue[0]; next !== undefined && this.#place(next); next = this.#queue[0]) this.#queue.shift();
    // Notified only when all are written: a thread that wakes may take this one's processor, and should find all of its work.
    for (let number = first; number !== this.#nextJob; number = (number + 1) | 0) {
      Atomics.notify(this.#memory.control, stateIndex(number));
    }
  }

  /** Gives a request its place. Returns true when it has one, or needs none because it was given back or has failed. */
  #place(entry: QueueEntry): boolean {
    if (entry.isGivenBack) end(entry);
    if (entry.isGivenBack || entry.failure !== null) return true;
    if (!entry.isPrepared) return false;
    const { samples, view } = entry.request;
    const row = this.#ring.take(entry, samples.length);
    if (row === null) return false;
    const number = this.#nextJob;
    this.#nextJob = (this.#nextJob + 1) | 0;
    entry.place = { number, row };
    this.#memory.samples.set(samples, row);
    writeJob(this.#memory, number, { source: this.#sourceOf(entry.request), epoch: view.epoch, row, count: samples.length });
    Atomics.store(this.#memory.control, stateIndex(number), JOB_STATE.asked);
    return true;
  }
}

/** Ends the use of a request's samples. */
function end(entry: QueueEntry): void {
  entry.release?.();
  entry.release = null;
}
