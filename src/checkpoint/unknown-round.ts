/** Rounds of which there are checkpoints, and nothing in the journal: it was cut, or a power cut has taken its last lines. Reading only. */

import { sep } from 'node:path';
import { z } from 'zod';
import { field } from '../protocol/field.js';
import { nodeFileSystem } from './file-system.js';
import { listPlacesOf } from './place.js';
import type { JournalLines } from './round-left.js';

const recordSchema = z.object({ type: z.enum(['commit', 'checkpoint']), stage: field.stage, round: field.count });

/** The rounds of this stage that have a folder of checkpoints, ascending. To compare them with a journal that grows, list them before it is read. */
export async function storedRounds(checkpoints: string, stage: string): Promise<readonly number[]> {
  const places = await listPlacesOf(nodeFileSystem, checkpoints, stage);
  const rounds = places.map((place) => Number(place.split(sep)[1])).filter(Number.isSafeInteger);
  return [...new Set(rounds)].sort((a, b) => a - b);
}

/** Those of the stored rounds of this stage that the journal knows nothing of. */
export function unknownRounds({ lines }: { readonly lines: JournalLines }, stage: string, stored: readonly number[]): readonly number[] {
  const known = new Set<number>();
  for (const { record } of lines) {
    const found = recordSchema.safeParse(record).data;
    if (found?.stage === stage) known.add(found.round);
  }
  return stored.filter((round) => !known.has(round));
}

/** Such rounds in words: "round 8 of base". */
export function spellRounds(stage: string, rounds: readonly number[]): string {
  return `round${rounds.length === 1 ? '' : 's'} ${rounds.join(', ')} of ${stage}`;
}
