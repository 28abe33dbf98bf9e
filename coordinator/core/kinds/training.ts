/**
 * The common part of the kinds of stage that train: rounds of training until all samples are committed, an evaluation of each
 * peer after every `evaluateEvery` epochs and at the end. Such a stage goes back to its newest checkpoint when its parameters are lost.
 */

import { peersOf } from '../../../src/config/peer.js';
import type { TrainingStage } from '../../../src/config/schema.js';
import { startEvaluation } from '../evaluation-round.js';
import { committedOf } from '../ledger.js';
import { rollBack } from '../rollback.js';
import type { ReadyMember } from '../roster.js';
import { holdsOther, lastEvaluation, type StageNeeds, type StageState, withoutHolders } from '../stage.js';
import { seatsOf, startTraining } from '../training-round.js';
import { setStage } from '../turn.js';
import { unlessOne } from './finished.js';
import type { Next, StageKind, StartRound } from './stage-kind.js';

export interface TrainingKindOptions extends Pick<StageNeeds, 'teacher'> {
  /** The most students of each peer; when it is left out, as many as there are. */
  readonly columnsMax?: number;
}

/** The kind of a stage that trains its peers. `teacher`: the model that teaches it, null where nothing does. */
export function trainingKind(recipe: TrainingStage, { teacher, columnsMax = Number.POSITIVE_INFINITY }: TrainingKindOptions): StageKind {
  const peers = [...peersOf(recipe).keys()];
  const { on: split, epochs, checkpointEvery, batch, every } = recipe;
  const needs: StageNeeds = { peers, of: null, teacher, training: { split, epochs }, checkpointEvery };
  return {
    needs,
    next(stage): Next {
      const due = evaluationDue(stage, recipe.evaluateEvery);
      if (due !== null) {
        const subject = { stage: stage.name, peer: due.peer };
        const start: StartRound = (turn, students) => {
          const free = students.filter(({ incarnation }) => !holdsOther(stage.base, due.peer, incarnation));
          const members = free.length > 0 ? free : students;
          // Where only holders of other peers are left, they drop what they hold.
          const dropped = members.flatMap(({ incarnation }) => (holdsOther(stage.base, due.peer, incarnation) ? [incarnation] : []));
          if (dropped.length > 0) setStage(turn, { base: withoutHolders(stage.base, dropped) });
          startEvaluation(turn, members, { subject, epoch: due.epoch, split: recipe.test });
        };
        return { type: 'round', missing: (students) => unlessOne(students, subject), isTaught: false, isTraining: false, start };
      }
      if (stage.ledger.pending.length === 0) return { type: 'done' };
      const start: StartRound = (turn, students) => startTraining(turn, students, { batch, every, columnsMax });
      const missing = (students: readonly ReadyMember[]) =>
        seatsOf(stage, students, columnsMax).empty.map((peer) => ({ stage: stage.name, peer }));
      return { type: 'round', missing, isTaught: teacher !== null, isTraining: true, start };
    },
    onBaseLost: rollBack,
  };
}

/** The peer that is to be evaluated now, and the epoch after which that is; or null. */
function evaluationDue(stage: StageState, evaluateEvery: number): { readonly peer: string; readonly epoch: number } | null {
  const { size, pending, lent } = stage.ledger;
  const epoch = size === 0 ? 0 : Math.floor(committedOf(stage.ledger) / size);
  const isEnd = pending.length === 0 && lent.length === 0;
  const isDue = (peer: string): boolean => {
    const last = lastEvaluation(stage, peer)?.epoch ?? 0;
    return epoch > last && (isEnd || epoch >= last + evaluateEvery);
  };
  const peer = stage.needs.peers.find(isDue);
  return peer === undefined ? null : { peer, epoch };
}
