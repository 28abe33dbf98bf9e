/** Losses that the repository does not have, in the place of one of its own. */

import { LOSSES } from '../../src/losses/catalogue.js';
import type { LossBatch, LossSum } from '../../src/losses/loss-method.js';

type Name = keyof typeof LOSSES;
type Loss<N extends Name> = (batch: LossBatch, parameters: Parameters<(typeof LOSSES)[N]['sum']>[1]) => LossSum;

/** Has every stage take this loss where it takes the one of this name, until the function that is returned is called. */
export function replaceLoss<N extends Name>(name: N, sum: Loss<N>): () => void {
  const method = LOSSES[name] as { sum: unknown };
  const own = method.sum;
  method.sum = sum;
  return () => {
    method.sum = own;
  };
}
