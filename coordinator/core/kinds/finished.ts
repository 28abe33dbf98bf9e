/** The common part of the kinds of stage that work on the finished model of another stage, and train nothing. */

import { type FinishedModel, finishedModel, type PeerName } from '../../../src/config/peer.js';
import type { FinishedRecipe } from '../../../src/config/schema.js';
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

/** The checkpoint of the finished model does not load: there is no older one, so the run fails, and says where another epoch can be taken. */
export function failWithoutBase(turn: Turn, why = ''): void {
  const { name, needs, base } = stageOf(turn);
  const last = turn.state.done.find(({ stage }) => stage === needs.of?.stage)?.checkpoint?.round;
  const isOther = needs.of?.epoch === 'best' && last !== undefined && last !== base.round;
  const mend = isOther ? `. To take its last epoch instead, resume the run with --set stages.${name}.of.epoch=last` : '';
  const which = needs.of?.epoch === 'best' ? 'the best epoch of ' : '';
  const reason = why === '' ? '' : `: ${why}`;
  const message = `stage ${name}: the checkpoint of ${which}stage ${needs.of?.stage ?? name} does not load${isOther ? '' : ', and there is no other'}${reason}${mend}`;
  finish(turn, { outcome: 'failed', code: 'checkpoint.damaged', message });
}
