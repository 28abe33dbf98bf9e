/**
 * The models of finished stages that the rest of a run needs, held against the run's checkpoints. Reading only: nothing is marked, so that
 * a file which is put back counts.
 *
 * Models from outside are left out: a run that goes on takes a damaged one again from its source (src/recipe/given-model.ts).
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../src/base/assert.js';
import { placeOf } from '../../src/checkpoint/place.js';
import { DAMAGE_FILE, readCheckpointOf, readNewestCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { type FinishedModel, type PeerName, spellPeer } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { stageOrder } from '../../src/config/stage-graph.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { StageResult } from '../../src/protocol/report.js';
import { kindOf } from '../core/kinds/catalogue.js';
import { recover } from '../core/recovery.js';
import { type FinishedState, finishedState, workedOn } from '../core/stage.js';
import type { JournalRecord } from '../core/types.js';
import type { RunFolder } from './run-folder.js';

/** A run that is to go on, or could not. */
export interface RestOfRun {
  readonly recipe: Recipe;
  readonly records: readonly JournalRecord[];
  /** The finished stages that are to go on, or to be done again. */
  readonly reopened: readonly string[];
  /** The stages of which trained parameters are kept: they do not begin with those of another one any more. */
  readonly begun: ReadonlySet<string>;
}

/** A finished model that a stage needs. */
interface Need extends FinishedState {
  readonly stage: string;
  readonly use: 'teacher' | 'init' | 'of';
  /** The epoch that the stage names; and the other one, where that is another checkpoint. */
  readonly epoch: FinishedModel['epoch'];
  readonly other: FinishedState | null;
}

/** Says which of these models is not whole, what is wrong with it, and the way out; null when all are whole. Only the first one is told. */
export async function lostModelOf(
  { path, checkpoints }: Pick<RunFolder, 'path' | 'checkpoints'>,
  rest: RestOfRun,
): Promise<StillhouseError | null> {
  for (const need of needsOf(rest)) {
    const fault = await faultOf(checkpoints, need);
    if (fault === null) continue;
    const { stage, use, epoch, state } = need;
    const model = `${epoch === 'best' ? 'the best epoch of ' : ''}${spellPeer(state)}`;
    const verb = { teacher: 'learns from', init: 'begins with', of: 'needs' }[use];
    const own = join(checkpoints, placeOf(state));
    const mark = existsSync(join(own, DAMAGE_FILE)) ? `, without ${DAMAGE_FILE}` : '';
    const hint = `Put a whole copy of that folder in its place${mark}. Without one, ${await wayOut(need, { path, checkpoints })}`;
    return new StillhouseError('checkpoint.missing', `the stage ${stage} ${verb} ${model}, whose checkpoint ${own} ${fault}`, { hint });
  }
  return null;
}

function needsOf({ recipe, records, reopened, begun }: RestOfRun): readonly Need[] {
  const done = recover(records, []).done.filter(({ stage }) => !reopened.includes(stage));
  const isDone = (name: string) => done.some(({ stage }) => stage === name);
  // A stage that needs one which is still to be done finds it as that one ends.
  const isKept = ({ stage }: PeerName) =>
    done.some((result) => result.stage === stage && result.checkpoint !== null) && !isGiven(recipe, stage);
  return stageOrder(recipe).flatMap((stage): readonly Need[] => {
    const own = recipe.stages[stage];
    if (own === undefined || isDone(stage)) return [];
    const { teacher, init, of } = kindOf(own).needs;
    const last = (model: PeerName, use: Need['use']): Need => ({ ...finishedState(done, model), stage, use, epoch: 'last', other: null });
    return [
      ...(teacher !== null && isKept(teacher) ? [last(teacher, 'teacher')] : []),
      ...(begun.has(stage) ? [] : [...init.values()].filter(isKept).map((model) => last(model, 'init'))),
      ...(of !== null && isKept(of) ? [needOfFinished(stage, of, done)] : []),
    ];
  });
}

function isGiven({ stages }: Recipe, stage: string): boolean {
  const own = stages[stage];
  return own !== undefined && 'from' in own;
}

function needOfFinished(stage: string, of: FinishedModel, done: readonly StageResult[]): Need {
  const stateOf = (epoch: FinishedModel['epoch']): FinishedState => {
    const { round, hashes } = present(workedOn(done, { ...of, epoch }).checkpoint, `the checkpoint of ${of.stage}`);
    return { state: { stage: of.stage, peer: of.peer, round }, hash: present(hashes[of.peer], `the hash of ${of.peer}`) };
  };
  const own = stateOf(of.epoch);
  const other = stateOf(of.epoch === 'best' ? 'last' : 'best');
  return { ...own, stage, use: 'of', epoch: of.epoch, other: other.state.round === own.state.round ? null : other };
}

/** The fault of a checkpoint in words; null when it is whole, and that of its commit. */
async function faultOf(checkpoints: string, { state, hash }: FinishedState): Promise<string | null> {
  try {
    const { info } = await readCheckpointOf(checkpoints, state);
    return info.hash === hash ? null : 'has other parameters than the stage ended with';
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return error.code === 'checkpoint.missing' ? 'is gone' : `is damaged (${error.message})`;
  }
}

/** The way out where there is no copy of the checkpoint. */
async function wayOut(
  { stage, use, epoch, state, other }: Need,
  { path, checkpoints }: Pick<RunFolder, 'path' | 'checkpoints'>,
): Promise<string> {
  if (other !== null && (await faultOf(checkpoints, other)) === null) {
    const instead = epoch === 'best' ? 'last' : 'best';
    return `take its ${instead} epoch instead: resume the run with --set "stages.${stage}.of={ stage: ${spellPeer(state)}, epoch: ${instead} }"`;
  }
  const round = await newestWhole(checkpoints, state);
  if (round === null) return `begin a new run: no other checkpoint of ${spellPeer(state)} is whole`;
  const left = `the newest whole checkpoint of ${spellPeer(state)}, of round ${round}`;
  if (use === 'of') return `begin a new run; "stillhouse export ${path} --stage ${spellPeer(state)}" writes ${left}`;
  return `begin a new run; "${use}: { run: ${path}, stage: ${spellPeer(state)} }" in its recipe takes ${left}`;
}

/** The round of the newest whole checkpoint of a model; null when there is none. */
async function newestWhole(checkpoints: string, model: PeerName): Promise<number | null> {
  try {
    return (await readNewestCheckpoint(checkpoints, model)).info.state.round;
  } catch (error) {
    if (error instanceof StillhouseError && error.code === 'checkpoint.missing') return null;
    throw error;
  }
}
