/**
 * The round that a stage would go on from, by lines of a journal and the checkpoints on disk. The coordinator's core decides it when a
 * run goes on (coordinator/core/recovery.ts); this is for messages, and for the choice to refuse. Reading only.
 */

import { sep } from 'node:path';
import { z } from 'zod';
import { field } from '../protocol/field.js';
import { nodeFileSystem } from './file-system.js';
import type { JournalLine } from './journal-line.js';
import { listPlacesOf, placeOf } from './place.js';
import { type StoredCheckpoint, verifyCheckpoint } from './read-checkpoint.js';

/** The records of a journal, oldest first. */
export type JournalLines = readonly Pick<JournalLine, 'record'>[];

const commitSchema = z.object({
  type: z.literal('commit'),
  term: field.term,
  stage: field.stage,
  round: field.count,
  hashes: z.record(field.peer, field.hash.nullable()),
});
const recordSchema = z.discriminatedUnion('type', [
  commitSchema,
  z.object({ type: z.literal('rollback'), stage: field.stage, round: field.count.nullable() }),
]);

type Commit = z.infer<typeof commitSchema>;

/**
 * The newest round of the stage that these lines have committed and not undone, and of which every checkpoint is whole; null when there is none.
 */
export async function roundLeft(checkpoints: string, stage: string, lines: JournalLines): Promise<number | null> {
  const places = await listPlacesOf(nodeFileSystem, checkpoints, stage);
  const rounds = new Set(places.map((place) => Number(place.split(sep)[1])));
  const stored = commitsOf(stage, lines).filter(({ round }) => rounds.has(round));
  for (const commit of stored.sort((a, b) => b.round - a.round)) {
    const parts = await Promise.all(Object.entries(commit.hashes).map(([peer, hash]) => isWhole(checkpoints, commit, { peer, hash })));
    if (parts.every(Boolean)) return commit.round;
  }
  return null;
}

function commitsOf(stage: string, lines: JournalLines): Commit[] {
  let commits: Commit[] = [];
  for (const { record } of lines) {
    const found = recordSchema.safeParse(record).data;
    if (found === undefined || found.stage !== stage) continue;
    if (found.type === 'commit') commits.push(found);
    else commits = commits.filter(({ round }) => round <= (found.round ?? 0));
  }
  return commits;
}

async function isWhole(
  checkpoints: string,
  { stage, round, term }: Commit,
  { peer, hash }: { readonly peer: string; readonly hash: string | null },
): Promise<boolean> {
  const info = await infoOf(checkpoints, placeOf({ stage, round, peer }));
  return info !== null && info.term === term && (hash === null || hash === info.hash);
}

/** The description of a whole checkpoint; null where it cannot be read, for any reason. */
export async function infoOf(folder: string, place: string): Promise<StoredCheckpoint | null> {
  try {
    return (await verifyCheckpoint({ fs: nodeFileSystem, folder, place })).info;
  } catch {
    return null;
  }
}
