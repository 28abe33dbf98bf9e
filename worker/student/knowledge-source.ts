/** The other side of a stage's loss, as the training loop sees it: whoever it is, its knowledge comes batch by batch. Owns a type only. */

import type { Knowledge } from '../../src/tensor/knowledge.js';

/** To add one: a file that makes it, and the choice of it in `trainWork` (work.ts). Whoever opens it closes it. */
export interface KnowledgeSource {
  /** The knowledge of the next batch of the round. One call at a time. Rejects with the error that ends the training. */
  next(): Promise<Knowledge>;
  /** Stops all requests. A pending `next` never settles. A second call changes nothing. */
  close(): void;
}
