/** The stages of a run that are done, from its journal: for processes that are not the run's coordinator. Reading only; the run may go on meanwhile. */

import { z } from 'zod';
import { field } from '../protocol/field.js';
import { type JournalFile, readJournalFile } from './journal-file.js';

const checkpoint = z.object({ round: field.count, hashes: z.record(field.peer, field.hash) });
/** The checkpoint that a stage has ended with, with the hash of each peer; null where it has none. */
type LastCheckpoint = z.infer<typeof checkpoint> | null;

const test = z.object({ last: z.object({ peer: field.peer, accuracy: field.finite }) });
const resultSchema = z.object({ stage: field.stage, checkpoint: checkpoint.nullable(), tests: z.array(test).default([]) });

const recordSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stage-done'), result: resultSchema }),
  z.object({ type: z.literal('reopen'), stage: field.stage }),
]);

/** The same from a journal. Throws `run.invalid`, with file and line, when it is damaged. */
export async function readDoneStages(journal: string): Promise<ReadonlyMap<string, LastCheckpoint>> {
  return doneStages(await readJournalFile(journal));
}

/** The stages that are done by these lines of a journal, and not opened again since. */
export function doneStages(journal: Pick<JournalFile, 'lines'>): ReadonlyMap<string, LastCheckpoint> {
  return new Map([...resultsOf(journal)].map(([stage, { checkpoint: last }]) => [stage, last]));
}

/** The share of the test images that each peer of the same stages classifies right after its last epoch, 0 to 1. Throws as `readDoneStages` does. */
export async function readAccuracies(journal: string): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>> {
  const entries = [...resultsOf(await readJournalFile(journal))].map(
    ([stage, { tests }]) => [stage, Object.fromEntries(tests.map(({ last }) => [last.peer, last.accuracy]))] as const,
  );
  return new Map(entries);
}

function resultsOf({ lines }: Pick<JournalFile, 'lines'>): ReadonlyMap<string, z.infer<typeof resultSchema>> {
  const done = new Map<string, z.infer<typeof resultSchema>>();
  for (const { record } of lines) {
    const found = recordSchema.safeParse(record).data;
    if (found?.type === 'stage-done') done.set(found.result.stage, found.result);
    if (found?.type === 'reopen') done.delete(found.stage);
  }
  return done;
}
