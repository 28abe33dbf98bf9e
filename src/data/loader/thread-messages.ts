/** The messages between the loader and its threads, which are rare. Batches are requested in shared memory (ring.ts). */

import type { ErrorDetails } from '../../errors/stillhouse-error.js';
import type { ErrorCode } from '../../errors/table.js';
import type { BatchView } from '../batch.js';
import type { SampleStore } from '../sample-source.js';
import type { LoaderMemory } from './ring.js';

/** The data that a thread starts with. */
export interface ThreadStart {
  readonly memory: LoaderMemory;
}

/** A thread's last message: the error about a file of a batch. Its other messages are null: a job is done. */
export interface ThreadFault {
  readonly code: ErrorCode;
  readonly what: string;
  readonly details: ErrorDetails;
}

/** A store of samples and their view, except for the epoch. It is sent to every thread before the first job that names it. */
export interface LoaderSource {
  readonly number: number;
  /** Sent once. Its arrays in shared memory are not copied. */
  readonly store: SampleStore;
  readonly view: Omit<BatchView, 'epoch'>;
}
