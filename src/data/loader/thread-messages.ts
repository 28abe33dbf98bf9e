/** What the loader tells its threads by message, as it happens rarely. Batches are asked for in shared memory (ring.ts). */

import type { BatchView } from '../batch.js';
import type { SplitParts } from '../split.js';
import type { LoaderMemory } from './ring.js';

/** What a thread begins with. */
export interface ThreadStart {
  readonly memory: LoaderMemory;
}

/** Where samples come from and how they are shown, except for the epoch. Sent to every thread before the first job that names it. */
export interface LoaderSource {
  readonly number: number;
  /** Its pixels and labels are shared, not copied. */
  readonly split: SplitParts;
  readonly view: Omit<BatchView, 'epoch'>;
}
