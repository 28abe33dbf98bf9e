/**
 * Chooses a checkpoint of a model in the folder of a run, for processes that are not the run's coordinator: the newest, that of the best
 * epoch, or that of a round; with the test of just those parameters.
 */

import { join } from 'node:path';
import { formatShare } from '../base/share.js';
import { type PeerName, spellPeer } from '../config/peer.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { StateName } from '../protocol/state-name.js';
import { doneStages } from './done-stage.js';
import { bestRound, type EvaluatedRound, evaluatedRounds, readRecords } from './kept-epoch.js';
import { type CheckpointContent, readCheckpointOf, readNewestCheckpoint } from './read-checkpoint.js';

export interface CheckpointChoice {
  readonly name: PeerName;
  /** Whether the run took the model from outside: it then has one checkpoint, which is the best and the last. */
  readonly isGiven: boolean;
  /** A number is that of a round. */
  readonly which: 'last' | 'best' | number;
}

export interface ChosenCheckpoint {
  readonly content: CheckpointContent;
  /** The test of these parameters; null when they were not tested. */
  readonly tested: EvaluatedRound | null;
  /** Says in words why it is not known whether they were tested; null when it is. */
  readonly doubt: string | null;
  /** Says in words that the last is not the checkpoint that the stage ends with; null when it is, and where the last was not asked for. */
  readonly lag: string | null;
}

/**
 * Reads the checkpoint from the folder of this run. Throws `checkpoint.missing` and `checkpoint.damaged`; and `run.invalid` when the journal is damaged and would
 * have to say which epoch is the best.
 */
export async function readChosenCheckpoint(run: string, choice: CheckpointChoice): Promise<ChosenCheckpoint> {
  const checkpoints = join(run, 'checkpoints');
  const { name, isGiven, which } = choice;
  const isBest = which === 'best' && !isGiven;
  let doubt: string | null = null;
  const records = await readRecords(join(run, 'journal')).catch((error: unknown) => {
    if (isBest || !(error instanceof StillhouseError)) throw error;
    doubt = error.message;
    return [];
  });
  const evaluated = evaluatedRounds(records, { ...name, isGiven });
  const content = await (isBest
    ? readBest(checkpoints, name, bestRound(evaluated))
    : typeof which === 'number'
      ? readCheckpointOf(checkpoints, { ...name, round: which })
      : readNewestCheckpoint(checkpoints, name));
  const { round } = content.info.state;
  const tested = evaluated.find((candidate) => candidate.round === round) ?? null;
  const mayLag = which === 'last' && !isGiven && doubt === null;
  return { content, tested, doubt, lag: mayLag ? lagOf({ ...name, round }, { run, records }) : null };
}

function lagOf(state: StateName, { run, records }: { readonly run: string; readonly records: readonly unknown[] }): string | null {
  const last = doneStages(records).get(state.stage);
  const [stage, taken] = [spellPeer(state), `its newest whole checkpoint is taken, of round ${state.round}`];
  if (last === undefined) return `the run ${run} has not finished its stage ${stage}: ${taken}`;
  if (last === null || last.round === state.round) return null;
  return `the run ${run} ended its stage ${stage} in round ${last.round}, and has no whole checkpoint of it: ${taken}`;
}

/** The checkpoint in words: its epoch, round and accuracy. */
export function describeTested({ epoch, round, accuracy }: EvaluatedRound): string {
  return `epoch ${epoch}, round ${round}, ${formatShare(accuracy)} right`;
}

async function readBest(checkpoints: string, name: PeerName, best: EvaluatedRound | null): Promise<CheckpointContent> {
  const spelled = spellPeer(name);
  if (best === null) {
    throw new StillhouseError('checkpoint.missing', `no checkpoint of ${spelled} has been tested yet, so none is the best`, {
      file: checkpoints,
      hint: 'It is tested after every `evaluateEvery` epochs and at its end. Its last epoch can be taken meanwhile',
    });
  }
  try {
    return await readCheckpointOf(checkpoints, { ...name, round: best.round });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw new StillhouseError(error.code, `the best of ${spelled} (${describeTested(best)}) cannot be read: ${error.message}`, {
      hint: 'Its last epoch can be taken, or another one be exported with --round',
      cause: error,
    });
  }
}
