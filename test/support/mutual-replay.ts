/**
 * A mutual stage of a run, trained again in one process (cohort.ts) on the engine cpu. Of the run it takes the recipe, and from the
 * journal who trained which samples in each commit. Learning rates and weights of losses must not change during the stage.
 */

import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { shareOut } from '../../src/config/batch.js';
import { peersOf } from '../../src/config/peer.js';
import { splitRanges, totalOf } from '../../src/data/shard-plan.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { loadRecipe } from '../../src/recipe/load-recipe.js';
import { hashState } from '../../src/tensor/state-tensors.js';
import { averageCohorts, Cohort } from './cohort.js';
import { journalOf, type RecordOf } from './run-record.js';

type Commit = RecordOf<'commit'>;
/** The optimiser's slots of the cells of a commit. A student may train another peer later. */
type Slots = ReadonlyMap<string, Float32Array>;

export interface Replay {
  /** The stage's commits in the journal, oldest first. */
  readonly commits: readonly Commit[];
  /** For each of them the hash of each peer as it was trained here. */
  readonly hashes: readonly Readonly<Record<string, string>>[];
}

/** Trains the stage as its commits say. Throws when the stage went back to a checkpoint. */
export async function replayStage(run: string, stage: string): Promise<Replay> {
  if ((await journalOf(run, 'rollback')).length > 0) throw new Error(`${run}: a stage that went back is not replayed`);
  const recipe = await loadRecipe(runFolderAt(run).config);
  const peers = [...peersOf(present(recipe.stages[stage], stage))].map(([peer]) => peer);
  const commits = (await journalOf(run, 'commit')).filter((commit) => commit.stage === stage);
  const most = Math.max(...commits.map(({ contributors }) => contributors.length / peers.length));
  await openEngine('cpu');
  const columns = await Promise.all(Array.from({ length: most }, () => Cohort.open(recipe, stage)));
  let slots: Slots = new Map();
  const hashes = commits.map((commit, i) => {
    const own = columns.slice(0, commit.contributors.length / peers.length);
    if (i > 0) takeSlots(own, { peers, slots, commits: commits.slice(i - 1) });
    trainCommit(own, { peers, commit, committed: commits[i - 1]?.committed ?? 0 });
    slots = new Map(cellsOf(own, peers, commit).map(({ column, peer, incarnation }) => [keyOf(peer, incarnation), column.slotsOf(peer)]));
    const [first] = own;
    // A column that takes part again later begins with what is committed.
    for (const peer of peers) for (const column of columns) column.writeParameters(peer, present(first, 'a column').parametersOf(peer));
    return Object.fromEntries(peers.map((peer) => [peer, hashOf(present(first, 'a column').parametersOf(peer))]));
  });
  for (const column of columns) column.dispose();
  return { commits, hashes };
}

function trainCommit(
  columns: readonly Cohort[],
  { peers, commit, committed }: { peers: string[]; commit: Commit; committed: number },
): void {
  const roundSamples = totalOf(commit.ranges);
  const samples = shareOut(roundSamples, columns.length);
  const shares = splitRanges(commit.ranges, samples);
  for (const [i, column] of columns.entries()) column.train(present(shares[i], 'a share'), { committed, roundSamples });
  for (const peer of peers) averageCohorts(columns, peer, samples);
}

interface SlotPlan {
  readonly peers: readonly string[];
  /** Those of the commit before. */
  readonly slots: Slots;
  /** The commit before, this one, and all later ones. */
  readonly commits: readonly Commit[];
}

/** A cell goes on with its own slots. One that had no part in the commit before has those of the replica that it fetched the state from. */
function takeSlots(columns: readonly Cohort[], { peers, slots, commits: [before, commit, ...later] }: SlotPlan): void {
  const living = [commit, ...later].flatMap((each) => each?.contributors ?? []);
  for (const { column, row, peer, incarnation } of cellsOf(columns, peers, present(commit, 'a commit'))) {
    const holders = present(before, 'the commit before').contributors.filter((_, i) => i % peers.length === row);
    const holder = present(
      holders.find((each) => living.includes(each)),
      'a holder that lives',
    );
    column.writeSlots(peer, present(slots.get(keyOf(peer, incarnation)) ?? slots.get(keyOf(peer, holder)), 'the slots of a cell'));
  }
}

/** The cells of a commit. Its contributors are listed column by column. */
function cellsOf(columns: readonly Cohort[], peers: readonly string[], { contributors }: Commit) {
  return columns.flatMap((column, index) =>
    peers.map((peer, row) => ({ column, row, peer, incarnation: present(contributors[index * peers.length + row], 'a contributor') })),
  );
}

function keyOf(peer: string, incarnation: Incarnation): string {
  return `${peer} ${incarnation}`;
}

function hashOf(parameters: Float32Array): string {
  return hashState(new Map([['parameters', parameters]]));
}
