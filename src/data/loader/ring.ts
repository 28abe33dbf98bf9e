/**
 * The memory that the loader and its threads share, and the rules for its use. It has no thread and no queue.
 *
 * Batches lie in a ring of rows: row r of `samples`, `labels` and `images` belong together. Each batch to be loaded is
 * written into a ring of jobs; job number n (from 0, modulo 2^32) lies at place n mod JOBS and its state passes
 *
 *   idle or done -> asked     by the loader, when the rest of the job is written
 *   asked -> skipped          by the loader, when the batch was given back
 *   asked -> busy -> done     by a thread, which writes the job's rows of `labels` and `images` while it is busy
 *   skipped -> done           by a thread
 *
 * Invariants: rows of a busy job belong to the thread, all others to the loader; numbers are given out in order, one
 * to a thread, so that each job has a thread that waits for it.
 */

/** The number of jobs at a time. It is a power of two, so that the numbers of jobs may wrap around. */
export const JOBS = 256;

export const JOB_STATE = { idle: 0, asked: 1, skipped: 2, busy: 3, done: 4 } as const;

/** The shared memory itself. It can be sent to a thread. */
export interface LoaderMemory {
  /** The words below, then JOBS jobs. */
  readonly control: Int32Array;
  /** [R], indices within the job's split. */
  readonly samples: Int32Array;
  /** [R] */
  readonly labels: Int32Array;
  /** [R, H, W, C] */
  readonly images: Float32Array;
}

/** The number of the next job that no thread has taken on. */
export const NEXT_JOB = 0;
/** Not zero: the loader waits, and the next thread that finishes a job sends a message. */
export const IS_AWAITED = 1;

const HEADER_WORDS = 2;
const JOB_WORDS = 5;
const FIELDS = { state: 0, source: 1, epoch: 2, row: 3, count: 4 } as const;

/** A job, without its state and its samples. */
export interface Job {
  /** The number of its source (see thread-messages.ts). */
  readonly source: number;
  readonly epoch: number;
  /** Its first row. */
  readonly row: number;
  /** The number of its rows. */
  readonly count: number;
}

/** Zeroed memory for `rows` rows of `imageSize` elements each. */
export function createMemory(rows: number, imageSize: number): LoaderMemory {
  const words = (count: number) => new SharedArrayBuffer(4 * count);
  return {
    control: new Int32Array(words(HEADER_WORDS + JOBS * JOB_WORDS)),
    samples: new Int32Array(words(rows)),
    labels: new Int32Array(words(rows)),
    images: new Float32Array(words(rows * imageSize)),
  };
}

/** The index in `control` of a job's state. */
export function stateIndex(number: number): number {
  return HEADER_WORDS + (number & (JOBS - 1)) * JOB_WORDS + FIELDS.state;
}

/** Writes a job, except for its state. No thread may be working on a job of this number. */
export function writeJob({ control }: LoaderMemory, number: number, job: Job): void {
  const base = stateIndex(number);
  control[base + FIELDS.source] = job.source;
  control[base + FIELDS.epoch] = job.epoch;
  control[base + FIELDS.row] = job.row;
  control[base + FIELDS.count] = job.count;
}

/** The job that {@link writeJob} wrote, for the thread that works on it. */
export function readJob({ control }: LoaderMemory, number: number): Job {
  const base = stateIndex(number);
  return {
    source: control[base + FIELDS.source]!,
    epoch: control[base + FIELDS.epoch]!,
    row: control[base + FIELDS.row]!,
    count: control[base + FIELDS.count]!,
  };
}
