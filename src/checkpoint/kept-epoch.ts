/**
 * The evaluated epochs of a stage whose parameters are in its checkpoints, from the run's journal: for processes that are not the
 * run's coordinator. Reading only; a run may go on meanwhile.
 *
 * Invariants: an epoch counts only when the journal has a whole checkpoint of its round, and no rollback has undone it; of equal accuracies
 * the first is the best.
 */

import { z } from 'zod';
import { field } from '../protocol/field.js';
import { GIVEN_ROUND } from '../protocol/state-name.js';
import type { JournalFile } from './journal-file.js';

/** An evaluated round of a stage. */
export interface EvaluatedRound {
  readonly round: number;
  readonly epoch: number;
  /** The share of the test images that is classified right, 0 to 1. */
  readonly accuracy: number;
}

const recordSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('evaluation'),
    stage: field.stage,
    evaluation: z.object({ peer: field.peer, round: field.count, epoch: field.count, accuracy: field.finite }),
  }),
  z.object({ type: z.literal('checkpoint'), stage: field.stage, round: field.count }),
  z.object({ type: z.literal('rollback'), stage: field.stage, round: field.count.nullable() }),
]);

/**
 * The evaluated rounds of this model that checkpoints were made of, oldest first. Older checkpoints may be deleted by now, but never the best
 * one. `isGiven`: the model was taken from outside, and its checkpoint was there before the journal.
 */
export function evaluatedRounds(
  { lines }: Pick<JournalFile, 'lines'>,
  { stage, peer, isGiven = false }: { readonly stage: string; readonly peer: string; readonly isGiven?: boolean },
): readonly EvaluatedRound[] {
  let evaluated: EvaluatedRound[] = [];
  const stored = new Set<number>(isGiven ? [GIVEN_ROUND] : []);
  for (const { record } of lines) {
    const found = recordSchema.safeParse(record).data;
    if (found === undefined || found.stage !== stage) continue;
    if (found.type === 'checkpoint') stored.add(found.round);
    else if (found.type === 'rollback') evaluated = evaluated.filter(({ round }) => round <= (found.round ?? 0));
    else if (found.evaluation.peer === peer) {
      const { round, epoch, accuracy } = found.evaluation;
      evaluated.push({ round, epoch, accuracy });
    }
  }
  return evaluated.filter(({ round }) => stored.has(round));
}

/** The best of evaluated rounds; null when there is none. */
export function bestRound(evaluated: readonly EvaluatedRound[]): EvaluatedRound | null {
  return evaluated.reduce<EvaluatedRound | null>((best, one) => (best === null || one.accuracy > best.accuracy ? one : best), null);
}
