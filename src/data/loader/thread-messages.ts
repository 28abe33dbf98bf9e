/** What the loader tells its threads by message, as it happens rarely. Batches are asked for in shared memory (ring.ts). */

import type { BatchView } from '../batch.js';
import type { SampleStore } from '../sample-source.js';
import type { LoaderMemory } from './ring.js';

/** What a thread begins with. */
export interface ThreadStart {
  readonly memory: LoaderMemory;
}

/** Where samples come from and how they are shown, except for the epoch. Sent to every thread before the first job that names it. */
export interface LoaderSource {
  readonly number: number;
  /** Sent once: what lies in shared memory is not copied. */
  readonly store: SampleStore;
  readonly view: Omit<BatchView, 'epoch'>;
}
