/**
 * Finds the place where a new term goes on, from the journal and the checkpoints on disk. It is never ahead of the parameters: the
 * stage that is not done starts from the newest whole checkpoint whose commit no rollback has undone.
 *
 * Invariant: a checkpoint is used only if it holds every peer of its commit, as that commit left it.
 */

import { mergeRanges, subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';
import type { Evaluation, StageResult } from '../../src/protocol/report.js';
import { addLockstep } from './grid.js';
import type { CheckpointInfo, CheckpointPart, JournalRecord, Recovered } from './types.js';

type CommitRecord = Extract<JournalRecord, { type: 'commit' }>;

/** The history of the stage under way, in the order of the journal. */
interface Trail {
  readonly stage: string | null;
  /** `isSaved`: the journal says that a checkpoint of it was stored. */
  readonly commits: readonly (CommitRecord & { readonly isSaved?: boolean })[];
  readonly skipped: readonly Range[];
  readonly evaluations: readonly { readonly evaluation: Evaluation; readonly afterRound: number }[];
}

const NO_TRAIL: Trail = { stage: null, commits: [], skipped: [], evaluations: [] };

/** The place where a run goes on. `parts` are the whole ones on disk, of all stages and peers, in any order. A finished stage is run again only when it was reopened. */
export function recover(records: readonly JournalRecord[], parts: readonly CheckpointPart[]): Recovered {
  let done: readonly StageResult[] = [];
  let trail = NO_TRAIL;
  /** The trails of finished stages, which may go on. */
  const ended = new Map<string, Trail>();
  for (const record of records) {
    if (record.type === 'stage-done') {
      done = [...done, record.result];
      ended.set(record.result.stage, ofStage(trail, record.result.stage));
      trail = NO_TRAIL;
    } else if (record.type === 'reopen') {
      done = done.filter(({ stage }) => stage !== record.stage);
      // Stages that only test or export have no commits: of the stages that are opened together, one goes on from its commits.
      if (trail.commits.length === 0) trail = ended.get(record.stage) ?? NO_TRAIL;
    } else trail = follow(trail, record);
  }
  const checkpoints = trail.commits.flatMap((commit) => wholeCheckpoint(commit, parts) ?? []).sort((a, b) => a.round - b.round);
  const upTo = checkpoints.at(-1)?.round ?? 0;
  const commits = records.flatMap((record) => (record.type === 'commit' ? [record] : []));
  const ofStageLeft = commits.filter(({ stage }) => stage === trail.stage);
  const rounds = [...commits.map(({ round }) => round), ...parts.map(({ state }) => state.round)];
  return {
    done,
    stage: trail.stage,
    checkpoints,
    lost: trail.commits.filter(({ round, isSaved }) => isSaved && round > upTo).map(({ round }) => round),
    skipped: trail.skipped,
    evaluations: trail.evaluations.filter(({ afterRound }) => afterRound <= upTo).map(({ evaluation }) => evaluation),
    round: rounds.reduce((highest, round) => Math.max(highest, round), 0),
    commits: commits.length,
    stageCommits: ofStageLeft.length,
    lockstep: ofStageLeft.reduce<Recovered['lockstep']>((sum, { lockstep }) => addLockstep(sum, lockstep), {}),
    losses: trail.commits.findLast(({ round }) => round <= upTo)?.losses ?? {},
    isBehind: (trail.commits.at(-1)?.round ?? 0) > upTo,
  };
}

/** The checkpoint of a commit, when the parts of all its peers are there; null otherwise. */
function wholeCheckpoint(commit: CommitRecord, parts: readonly CheckpointPart[]): CheckpointInfo | null {
  const { stage, round } = commit;
  const own: [string, CheckpointPart][] = [];
  for (const [peer, hash] of Object.entries(commit.hashes)) {
    const part = parts.find((candidate) => isPartOf(candidate, commit, { peer, hash }));
    if (part === undefined) return null;
    own.push([peer, part]);
  }
  const ranges = own[0]?.[1].ranges ?? [];
  return { stage, round, ranges, hashes: Object.fromEntries(own.map(([peer, { hash }]) => [peer, hash])) };
}

/** Whether a part belongs to a commit. Within a term a round has one commit: where that has no hash, the term and the samples decide. */
function isPartOf(
  { state, term, ranges, hash }: CheckpointPart,
  commit: CommitRecord,
  of: { readonly peer: string; readonly hash: string | null },
): boolean {
  const isNamed = state.stage === commit.stage && state.peer === of.peer && state.round === commit.round;
  return isNamed && term === commit.term && totalOf(ranges) === commit.committed && (of.hash === null || of.hash === hash);
}

function follow(trail: Trail, record: JournalRecord): Trail {
  switch (record.type) {
    case 'commit':
      return { ...ofStage(trail, record.stage), commits: [...ofStage(trail, record.stage).commits, record] };
    case 'checkpoint': {
      // The first checkpoint of a commit without hashes gives the hashes.
      const { commits } = ofStage(trail, record.stage);
      const known = commits.map((commit) => (commit.round === record.round ? { ...commit, hashes: record.hashes, isSaved: true } : commit));
      return { ...ofStage(trail, record.stage), commits: known };
    }
    case 'skip':
      return withSkipped(ofStage(trail, record.stage), record.ranges);
    case 'rollback':
      return cutTo(ofStage(trail, record.stage), record.committed);
    case 'evaluation': {
      const { evaluations, commits } = ofStage(trail, record.stage);
      const afterRound = commits.at(-1)?.round ?? 0;
      return { ...ofStage(trail, record.stage), evaluations: [...evaluations, { evaluation: record.evaluation, afterRound }] };
    }
    default:
      return trail;
  }
}

/** An older coordinator may have written a line that the next one had not read: a sample is skipped once. */
function withSkipped(trail: Trail, ranges: readonly Range[]): Trail {
  return { ...trail, skipped: mergeRanges([...trail.skipped, ...subtractRanges(ranges, trail.skipped)]) };
}

function ofStage(trail: Trail, stage: string): Trail {
  return trail.stage === stage ? trail : { ...NO_TRAIL, stage };
}

function cutTo(trail: Trail, committed: number): Trail {
  const commits = trail.commits.filter((commit) => commit.committed <= committed);
  const last = commits.at(-1)?.round ?? 0;
  return { ...trail, commits, evaluations: trail.evaluations.filter(({ afterRound }) => afterRound <= last) };
}
