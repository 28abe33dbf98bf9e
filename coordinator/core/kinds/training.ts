/**
 * The common part of the kinds of stage that train: rounds of training until all samples are committed, an evaluation of all
 * peers after every `evaluateEvery` epochs and at the end. Such a stage goes back to its newest checkpoint when its parameters are lost.
 */

import { gathersBatch } from '../../../src/config/batch.js';
import { peerNamed, peersOf } from '../../../src/config/peer.js';
import type { TrainingStage } from '../../../src/config/schema.js';
import { startEvaluation } from '../evaluation-round.js';
import { columnsOf } from '../grid.js';
import { epochsDone, type Ledger } from '../ledger.js';
import { rollBack } from '../rollback.js';
import type { ReadyMember } from '../roster.js';
import type { StageNeeds, StageState } from '../stage.js';
import { seatsOf, startTraining } from '../training-round.js';
import type { Next, StageKind, StartRound } from './stage-kind.js';

export interface TrainingKindOptions extends Pick<StageNeeds, 'teacher'> {
  /** The most students of each peer; when it is left out, as many as there are. */
  readonly columnsMax?: number;
}

/** The kind of a stage that trains its peers. `teacher`: the model that teaches it, null where nothing does. */
export function trainingKind(recipe: TrainingStage, { teacher, columnsMax = Number.POSITIVE_INFINITY }: TrainingKindOptions): StageKind {
  const recipes = peersOf(recipe);
  const peers = [...recipes.keys()];
  const init = new Map([...recipes].flatMap(([peer, own]) => (own.init === undefined ? [] : [[peer, peerNamed(own.init)] as const])));
  const { on: split, epochs, checkpointEvery, batch, every } = recipe;
  const needs: StageNeeds = { peers, of: null, init, teacher, training: { split, epochs }, checkpointEvery };
  return {
    needs,
    next(stage): Next {
      const missing = (students: readonly ReadyMember[]) =>
        seatsOf(stage, students, columnsMax).empty.map((peer) => ({ stage: stage.name, peer }));
      const epoch = evaluationDue(stage, recipe.evaluateEvery);
      if (epoch !== null) {
        const start: StartRound = (turn, students) => {
          const columns = columnsOf(peers, seatsOf(stage, students, columnsMax).seated);
          startEvaluation(turn, { stage: stage.name, columns, epoch, split: recipe.test });
        };
        return { type: 'round', missing, isTaught: false, isTraining: false, start };
      }
      if (stage.ledger.pending.length === 0) return { type: 'done' };
      const start: StartRound = (turn, students) => {
        const isTested = (ledger: Ledger) => evaluationDue({ ledger, evaluations: stage.evaluations }, recipe.evaluateEvery) !== null;
        startTraining(turn, students, { batch, every, columnsMax, gathers: gathersBatch(recipe), isTested });
      };
      return { type: 'round', missing, isTaught: teacher !== null, isTraining: true, start };
    },
    onBaseLost: rollBack,
  };
}

/** The epoch after which the peers are to be evaluated now; null when they are not. All of them are evaluated together. */
function evaluationDue(stage: Pick<StageState, 'ledger' | 'evaluations'>, evaluateEvery: number): number | null {
  const { pending, lent } = stage.ledger;
  const epoch = epochsDone(stage.ledger);
  const isEnd = pending.length === 0 && lent.length === 0;
  const last = stage.evaluations.at(-1)?.epoch ?? 0;
  return epoch > last && (isEnd || epoch >= last + evaluateEvery) ? epoch : null;
}
