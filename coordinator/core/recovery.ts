/**
 * Where a new term goes on: from the journal and the whole checkpoints on disk. Never further than the parameters are:
 * the stage that is not done starts from the newest whole checkpoint whose commit no rollback has undone.
 */

import type { Evaluation, StageResult } from '../../src/protocol/report.js';
import type { CheckpointInfo, JournalRecord, Recovered } from './types.js';

/** What happened to the stage under way, in the order of the journal. */
interface Trail {
  readonly stage: string | null;
  readonly commits: readonly { readonly round: number; readonly hash: string; readonly committed: number }[];
  readonly evaluations: readonly { readonly evaluation: Evaluation; readonly afterRound: number }[];
}

const NO_TRAIL: Trail = { stage: null, commits: [], evaluations: [] };

/** `checkpoints` are the whole ones, in any order. A finished stage is never run again. */
export function recover(records: readonly JournalRecord[], checkpoints: readonly CheckpointInfo[]): Recovered {
  const done: StageResult[] = [];
  let trail = NO_TRAIL;
  for (const record of records) {
    if (record.type === 'stage-done') {
      done.push(record.result);
      trail = NO_TRAIL;
    } else trail = follow(trail, record);
  }
  const usable = checkpoints
    .filter(
      ({ stage, round, hash }) => stage === trail.stage && trail.commits.some((commit) => commit.round === round && commit.hash === hash),
    )
    .sort((a, b) => a.round - b.round);
  const upTo = usable.at(-1)?.round ?? 0;
  const commits = records.flatMap((record) => (record.type === 'commit' ? [record] : []));
  return {
    done,
    checkpoints: usable,
    evaluations: trail.evaluations.filter(({ afterRound }) => afterRound <= upTo).map(({ evaluation }) => evaluation),
    round: commits.reduce((highest, { round }) => Math.max(highest, round), 0),
    commits: commits.length,
    stageCommits: commits.filter(({ stage }) => stage === trail.stage).length,
    isBehind: (trail.commits.at(-1)?.round ?? 0) > upTo,
  };
}

function follow(trail: Trail, record: JournalRecord): Trail {
  switch (record.type) {
    case 'commit': {
      const { stage, round, hash, committed } = record;
      return { ...ofStage(trail, stage), commits: [...ofStage(trail, stage).commits, { round, hash, committed }] };
    }
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

function ofStage(trail: Trail, stage: string): Trail {
  return trail.stage === stage ? trail : { ...NO_TRAIL, stage };
}

function cutTo(trail: Trail, committed: number): Trail {
  const commits = trail.commits.filter((commit) => commit.committed <= committed);
  const last = commits.at(-1)?.round ?? 0;
  return { ...trail, commits, evaluations: trail.evaluations.filter(({ afterRound }) => afterRound <= last) };
}
