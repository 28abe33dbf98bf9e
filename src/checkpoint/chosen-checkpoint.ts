/**
 * Chooses a checkpoint of a model in the folder of a run, for processes that are not the run's coordinator: the newest, that of the best
 * epoch, or that of a round; with the test of just those parameters.
 */

import { join, resolve } from 'node:path';
import { formatShare } from '../base/share.js';
import { type PeerName, spellPeer } from '../config/peer.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { StateName } from '../protocol/state-name.js';
import { doneStages } from './done-stage.js';
import { type JournalFile, readJournalFile } from './journal-file.js';
import { bestRound, type EvaluatedRound, evaluatedRounds } from './kept-epoch.js';
import { type CheckpointContent, readCheckpointOf, readNewestCheckpoint } from './read-checkpoint.js';
import { spellRounds, storedRounds, unknownRounds } from './unknown-round.js';

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
  /** Says in words why it is not known whether they were tested, or whether a better one was; null when it is. */
  readonly doubt: string | null;
  /** Says in words that the last is not the checkpoint that the stage ends with; null when it is, and where the last was not asked for. */
  readonly lag: string | null;
}

/**
 * Reads the checkpoint from the folder of this run. Throws `checkpoint.missing` and `checkpoint.damaged`; and `run.invalid` when the journal is damaged or cut and would
 * have to say which epoch is the best.
 */
export async function readChosenCheckpoint(run: string, choice: CheckpointChoice): Promise<ChosenCheckpoint> {
  const checkpoints = join(run, 'checkpoints');
  const { name, isGiven, which } = choice;
  const isBest = which === 'best' && !isGiven;
  const journal = join(run, 'journal');
  const stored = isGiven ? [] : await storedRounds(checkpoints, name.stage);
  const { lines, doubt } = await readLines(journal, { ...choice, stored });
  const evaluated = evaluatedRounds({ lines }, { ...name, isGiven });
  const content = await (isBest
    ? readBest(checkpoints, name, { best: bestRound(evaluated), doubt })
    : typeof which === 'number'
      ? readCheckpointOf(checkpoints, { ...name, round: which })
      : readNewestCheckpoint(checkpoints, name));
  const { round } = content.info.state;
  const tested = evaluated.find((candidate) => candidate.round === round) ?? null;
  const lag = which === 'last' && !isGiven && doubt === null ? lagOf({ ...name, round }, { run, lines }) : null;
  return { content, tested, doubt: isBest || tested === null ? doubt : null, lag };
}

function lagOf(state: StateName, { run, lines }: { readonly run: string } & Pick<JournalFile, 'lines'>): string | null {
  const last = doneStages({ lines }).get(state.stage);
  const [stage, taken] = [spellPeer(state), `its newest whole checkpoint is taken, of round ${state.round}`];
  if (last === undefined) return `the run ${run} has not finished its stage ${stage}: ${taken}`;
  if (last === null || last.round === state.round) return null;
  return `the run ${run} ended its stage ${stage} in round ${last.round}, and has no whole checkpoint of it: ${taken}`;
}

interface Lines extends Pick<JournalFile, 'lines'> {
  /** Says in words why they may not be all; null when they are. */
  readonly doubt: string | null;
}

/** The lines of the journal, as far as it can be read. `stored`: the rounds that have checkpoints, as found before. Throws where nothing tells the best. */
async function readLines(
  journal: string,
  { name, isGiven, which, stored }: CheckpointChoice & { readonly stored: readonly number[] },
): Promise<Lines> {
  try {
    const found = await readJournalFile(journal);
    const unknown = unknownRounds(found, name.stage, stored);
    if (unknown.length > 0 && !found.isThere) {
      throw new StillhouseError('run.invalid', 'the journal of this run is gone', {
        file: resolve(journal),
        hint:
          which === 'best'
            ? 'Put it back. The last epoch can be taken without it, or one by --round'
            : 'It says what was tested: put it back',
      });
    }
    const doubt = `${resolve(journal)}: the last lines are missing: there are checkpoints of ${spellRounds(name.stage, unknown)}, and it ends before them`;
    return { lines: found.lines, doubt: unknown.length === 0 ? null : doubt };
  } catch (error) {
    if ((which === 'best' && !isGiven) || !(error instanceof StillhouseError)) throw error;
    return { lines: [], doubt: error.message };
  }
}

/** The checkpoint in words: its epoch, round and accuracy. */
export function describeTested({ epoch, round, accuracy }: EvaluatedRound): string {
  return `epoch ${epoch}, round ${round}, ${formatShare(accuracy)} right`;
}

interface Best extends Pick<Lines, 'doubt'> {
  /** The best of what the lines tell. */
  readonly best: EvaluatedRound | null;
}

async function readBest(checkpoints: string, name: PeerName, { best, doubt }: Best): Promise<CheckpointContent> {
  const spelled = spellPeer(name);
  if (best === null && doubt !== null) {
    throw new StillhouseError('run.invalid', `nothing tells which epoch of ${spelled} is the best: ${doubt}`, {
      hint: 'Put the whole file back. The last epoch can be taken without it, or one by --round',
    });
  }
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
