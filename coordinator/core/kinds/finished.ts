/** The common part of the kinds of stage that work on the finished model of another stage, and train nothing. */

import { type FinishedModel, finishedModel, type PeerName } from '../../../src/config/peer.js';
import type { FinishedRecipe } from '../../../src/config/schema.js';
import type { ErrorCode } from '../../../src/errors/table.js';
import { finish } from '../ending.js';
import type { StageNeeds } from '../stage.js';
import { stageOf, type Turn } from '../turn.js';

/** The needs of a stage about the finished model that its `of` names. */
export function needsOfFinished(of: FinishedRecipe): StageNeeds & { readonly of: FinishedModel } {
  return { peers: [], of: finishedModel(of), init: new Map(), teacher: null, training: null, checkpointEvery: Number.POSITIVE_INFINITY };
}

/** The model that lacks a student: one is enough. */
export function unlessOne(students: readonly unknown[], model: PeerName): readonly PeerName[] {
  return students.length > 0 ? [] : [model];
}

/** The checkpoint of the finished model does not load: no other has those parameters, so the run fails. */
export function failWithoutBase(turn: Turn, why = ''): void {
  const { name, needs } = stageOf(turn);
  const source = needs.of?.stage ?? name;
  const which = needs.of?.epoch === 'best' ? 'the best epoch of ' : '';
  const message = `stage ${name}: the checkpoint of ${which}stage ${source} does not load${why === '' ? '' : `: ${why}`}`;
  finish(turn, { outcome: 'failed', code: codeOfLoss(turn, source), message });
}

/** The code of a run that fails because the checkpoint of this stage's finished model does not load. A run that goes on takes a model from outside again. */
export function codeOfLoss({ state: { plan } }: Turn, stage: string): ErrorCode {
  return plan.given[stage] === undefined ? 'checkpoint.missing' : 'checkpoint.damaged';
}
