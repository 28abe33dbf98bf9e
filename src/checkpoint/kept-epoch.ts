/**
 * The evaluated epochs of a stage whose parameters are in its checkpoints, from the run's journal: for processes that are not the
 * run's coordinator. Reading only; a run may go on meanwhile.
 *
 * Invariants: an epoch counts only when the journal has a whole checkpoint of its round, and no rollback has undone it; a line of an older
 * term after one of a newer term does not count; of equal accuracies the first is the best.
 */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { field } from '../protocol/field.js';
import { GIVEN_ROUND } from '../protocol/state-name.js';
import { readJournalLine } from './journal-line.js';

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
 * one. `isGiven`: the model was taken from outside, and its checkpoint was there before the journal. Throws `run.invalid`, with file and
 * line, when the journal is damaged; a line that is not written to its end is left out.
 */
export async function readEvaluatedRounds(
  journal: string,
  { stage, peer, isGiven = false }: { readonly stage: string; readonly peer: string; readonly isGiven?: boolean },
): Promise<readonly EvaluatedRound[]> {
  let evaluated: EvaluatedRound[] = [];
  const stored = new Set<number>(isGiven ? [GIVEN_ROUND] : []);
  for (const record of await readRecords(journal)) {
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

/** The part of a record of any type that says which coordinator wrote it. */
const writtenSchema = z.object({ term: field.term });

/** The records of a journal, of any type. Throws `run.invalid`, with file and line, when it is damaged. */
export async function readRecords(journal: string): Promise<readonly unknown[]> {
  const text = await readFile(journal, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  });
  const records: unknown[] = [];
  let newestTerm = 0;
  // The text after the last line feed was not written to its end.
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    const record = readJournalLine(line);
    const term = writtenSchema.safeParse(record).data?.term;
    if (term === undefined)
      throw new StillhouseError('run.invalid', 'this line of the journal is damaged', { file: journal, line: index + 1 });
    // An older coordinator wrote on before it noticed that another had taken over: the newer one went on without that record.
    if (term < newestTerm) continue;
    newestTerm = term;
    records.push(record);
  }
  return records;
}
