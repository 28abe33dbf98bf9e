/**
 * Batches assembled by threads, ahead of their use, in a ring of rows that is used again and again. It owns the threads;
 * job-queue.ts knows which requests wait and which rows each has. It knows neither rounds nor requests of students.
 *
 * A batch is asked for, becomes ready, is read by the caller, and is given back. Invariants: its bits are those of
 * assembleBatch, whatever the number of threads; no row is written between ready and given back; a batch that does not fit
 * in the ring waits for room, in order.
 *
 * A batch is mostly ready before it is wanted. Then the threads send no message: its state is a word in shared memory. Only
 * a caller that has to wait is woken by a message.
 */

import { Worker } from 'node:worker_threads';
import { assert, InvariantError } from '../../base/assert.js';
import { messageOf, StillhouseError } from '../../errors/stillhouse-error.js';
import type { BatchArrays } from '../batch.js';
import { shownSamples } from '../mix.js';
import type { ImageShape, SampleSource } from '../sample-source.js';
import { type BatchRequest, JobQueue, type QueueEntry } from './job-queue.js';
import { createMemory, IS_AWAITED, type LoaderMemory } from './ring.js';
import type { LoaderSource, ThreadFault, ThreadStart } from './thread-messages.js';

export interface LoaderOptions {
  /** The shape of all images that are loaded. */
  readonly shape: Pick<ImageShape, 'height' | 'width' | 'channels'>;
  /** The number of samples in the ring: those of the largest batch, times the number of batches to have ready. */
  readonly rows: number;
  readonly threads: number;
  /** The threads' program; by default the compiled one beside this file. */
  readonly program?: URL | undefined;
}

/** A batch that was requested. */
export interface Loading {
  /** B */
  readonly count: number;
  isReady(): boolean;
  /**
   * Resolves when the batch is ready; rejects when it will never be ready, because a thread failed (with data.damaged or data.missing, where a file of
   * this or another batch is at fault), its samples could not be prepared, or the loader is closed. Must not be called after the batch was given back.
   */
  ready(): Promise<void>;
  /** Whether its rows come in memory right after those of `other`, of the same loader. */
  follows(other: Loading): boolean;
  /** Ends the caller's use of the arrays, or the request for them. A second call changes nothing. */
  giveBack(): void;
}

export interface Loader {
  /** The number of batches so far that were not ready when they were wanted. */
  readonly waits: number;
  /** The number of samples in the ring. */
  readonly rows: number;
  /**
   * Requests batches, in this order. The samples are copied. Asserts that they are in their split, and that the ring
   * can hold each batch. Requesting several at once costs little more than requesting one: a thread is woken once.
   */
  request(requests: readonly BatchRequest[]): Loading[];
  /**
   * Images [B, H, W, C] and labels [B] of batches that are ready and follow each other. They are the ring's own memory:
   * nothing may read them after the batches are given back.
   */
  arraysOf(loadings: readonly Loading[]): BatchArrays;
  /** Ends the threads; a batch that is not ready will never be ready. A second call changes nothing. */
  close(): Promise<void>;
}

/** Starts the threads. They keep the process alive only while a caller waits for a batch. The caller closes the loader. */
export function openLoader(options: LoaderOptions): Loader {
  return new ThreadLoader(options);
}

class RingLoading implements Loading {
  readonly count: number;
  readonly entry: QueueEntry;
  readonly #loader: ThreadLoader;

  constructor(loader: ThreadLoader, entry: QueueEntry) {
    this.#loader = loader;
    this.entry = entry;
    this.count = entry.request.samples.length;
  }

  isReady(): boolean {
    return this.#loader.isReady(this.entry);
  }

  ready(): Promise<void> {
    return this.#loader.ready(this.entry);
  }

  follows(other: Loading): boolean {
    assert(other instanceof RingLoading, 'a batch of another loader');
    const [before, own] = [other.entry.place, this.entry.place];
    return before !== null && own !== null && before.row + other.count === own.row;
  }

  giveBack(): void {
    this.#loader.giveBack(this.entry);
  }
}

interface Waiter {
  readonly entry: QueueEntry;
  resolve(): void;
  reject(error: Error): void;
}

class ThreadLoader implements Loader {
  readonly #options: LoaderOptions;
  readonly #imageSize: number;
  readonly #memory: LoaderMemory;
  readonly #queue: JobQueue;
  readonly #threads: readonly Worker[];
  readonly #sources: { readonly split: SampleSource; readonly key: string }[] = [];
  #waiters: Waiter[] = [];
  #waits = 0;
  /** When it is not null, no more batches become ready. */
  #failure: Error | null = null;

  constructor(options: LoaderOptions) {
    const { shape, rows, threads, program = new URL('./loader-thread.js', import.meta.url) } = options;
    assert(threads >= 1, `${threads} loader threads`);
    this.#options = options;
    this.#imageSize = shape.height * shape.width * shape.channels;
    this.#memory = createMemory(rows, this.#imageSize);
    this.#queue = new JobQueue(this.#memory, (request) => this.#sourceOf(request));
    this.#threads = Array.from({ length: threads }, () => this.#start(program));
  }

  get waits(): number {
    return this.#waits;
  }

  get rows(): number {
    return this.#options.rows;
  }

  request(requests: readonly BatchRequest[]): Loading[] {
    if (this.#failure !== null) throw this.#failure;
    for (const request of requests) this.#check(request);
    const own = requests.map(({ split, view, samples }) => ({ split, view, samples: samples.slice() }));
    const entries = this.#queue.add(own);
    for (const entry of entries) this.#prepare(entry);
    return entries.map((entry) => new RingLoading(this, entry));
  }

  arraysOf(loadings: readonly Loading[]): BatchArrays {
    const [first] = loadings;
    assert(first instanceof RingLoading && first.entry.place !== null, 'arrays of no batch');
    const start = first.entry.place.row;
    let end = start;
    for (const [i, loading] of loadings.entries()) {
      assert(loading instanceof RingLoading && !loading.entry.isGivenBack && loading.isReady(), 'arrays of a batch that is not ready');
      assert(i === 0 || loading.follows(loadings[i - 1]!), 'arrays of batches that do not follow each other');
      end += loading.count;
    }
    const { images, labels } = this.#memory;
    return { images: images.subarray(start * this.#imageSize, end * this.#imageSize), labels: labels.subarray(start, end) };
  }

  async close(): Promise<void> {
    this.#fail(new Error('the loader is closed'));
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  isReady(entry: QueueEntry): boolean {
    this.#queue.advance();
    return this.#queue.isDone(entry);
  }

  async ready(entry: QueueEntry): Promise<void> {
    assert(!entry.isGivenBack, 'a wait for a batch that was given back');
    if (this.isReady(entry)) return;
    const failure = entry.failure ?? this.#failure;
    if (failure !== null) throw failure;
    this.#waits += 1;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ entry, resolve, reject });
      this.#wake();
    });
  }

  giveBack(entry: QueueEntry): void {
    if (!entry.isGivenBack) this.#queue.giveBack(entry);
  }

  /** Has the samples of a request made ready, where their source must do that: then it is taken on in its turn. */
  #prepare(entry: QueueEntry): void {
    const { split, view, samples } = entry.request;
    if (split.prepare === undefined) return;
    split.prepare(shownSamples(split.store, view, samples)).then(
      (release) => {
        this.#queue.prepared(entry, release);
        this.#wake();
      },
      (error: unknown) => {
        this.#queue.failed(entry, error instanceof Error ? error : new Error(messageOf(error)));
        this.#wake();
      },
    );
  }

  #check({ split, samples }: BatchRequest): void {
    const { shape, rows } = this.#options;
    const isSameShape = split.height === shape.height && split.width === shape.width && split.channels === shape.channels;
    assert(isSameShape, `the images of split ${split.name} have another shape than the loader's`);
    assert(0 < samples.length && samples.length <= rows, `a batch of ${samples.length} samples for a ring of ${rows}`);
    for (const sample of samples) {
      if (!(0 <= sample && sample < split.count)) throw new InvariantError(`split ${split.name} has no sample ${sample}`);
    }
  }

  #start(program: URL): Worker {
    const start: ThreadStart = { memory: this.#memory };
    // Flags of this process (a debugger's port, a test runner's loaders) are not the thread's.
    const thread = new Worker(program, { workerData: start, execArgv: [], name: 'loader' });
    thread.on('message', (fault: ThreadFault | null) => {
      if (fault === null) this.#wake();
      else this.#fail(new StillhouseError(fault.code, fault.what, fault.details));
    });
    thread.on('error', (error: unknown) => this.#fail(new Error(`a loader thread failed: ${messageOf(error)}`, { cause: error })));
    thread.on('exit', (code) => this.#fail(new Error(`a loader thread ended, with code ${code}`)));
    thread.unref();
    return thread;
  }

  /** Fails the loader. Only the first failure counts. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Ends the waits for batches that are ready, or will never be. */
  #wake(): void {
    // Written before the states are read: a thread that finishes a job later sends a message.
    Atomics.store(this.#memory.control, IS_AWAITED, this.#waiters.length);
    this.#queue.advance();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (this.#queue.isDone(waiter.entry)) waiter.resolve();
      else {
        const failure = waiter.entry.failure ?? this.#failure;
        if (failure === null) this.#waiters.push(waiter);
        else waiter.reject(failure);
      }
    }
    for (const thread of this.#threads) {
      if (this.#waiters.length > 0) thread.ref();
      else thread.unref();
    }
  }

  /** The request's index in the list of sources. A new source is sent to the threads before the job that names it. */
  #sourceOf({ split, view: { seed, augment, normalise } }: BatchRequest): number {
    const key = JSON.stringify([seed, augment, normalise]);
    const known = this.#sources.findIndex((source) => source.split === split && source.key === key);
    if (known >= 0) return known;
    const number = this.#sources.length;
    this.#sources.push({ split, key });
    const source: LoaderSource = { number, store: split.store, view: { seed, augment, normalise } };
    for (const thread of this.#threads) thread.postMessage(source);
    return number;
  }
}
