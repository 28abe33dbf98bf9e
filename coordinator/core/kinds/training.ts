/**
 * The common part of the kinds of stage that train: rounds of training until all samples are committed, an evaluation after
 * every `evaluateEvery` epochs and at the end. Such a stage goes back to its newest checkpoint when its parameters are lost.
 */

import type { TrainingStage } from '../../../src/config/schema.js';
import { MODEL_PEER } from '../../../src/protocol/state-name.js';
import { startEvaluation } from '../evaluation-round.js';
import { committedOf } from '../ledger.js';
import { rollBack } from '../rollback.js';
import type { StageNeeds, StageState } from '../stage.js';
import { startTraining } from '../training-round.js';
import type { Next, StageKind, StartRound } from './stage-kind.js';

/** The kind of a stage with one peer. `teacher` is the model that teaches it; null when no model does. */
export function trainingKind(recipe: TrainingStage, teacher: StageNeeds['teacher']): StageKind {
  const { on: split, epochs, checkpointEvery, batch, every } = recipe;
  const needs: StageNeeds = { peers: [MODEL_PEER], of: null, teacher, training: { split, epochs }, checkpointEvery };
  return {
    needs,
    next(stage): Next {
      const epoch = epochToEvaluate(stage, recipe.evaluateEvery);
      if (epoch !== null) {
        const start: StartRound = (turn, students) => startEvaluation(turn, students, { epoch, split: recipe.test });
        return { type: 'round', studentsMin: 1, isTaught: false, isTraining: false, start };
      }
      if (stage.ledger.pending.length === 0) return { type: 'done' };
      const start: StartRound = (turn, students) => startTraining(turn, students, { batch, every });
      return { type: 'round', studentsMin: needs.peers.length, isTaught: teacher !== null, isTraining: true, start };
    },
    onBaseLost: rollBack,
  };
}

/** The epoch after which the stage is due for an evaluation; null when it is not due. */
function epochToEvaluate(stage: StageState, evaluateEvery: number): number | null {
  const { size, pending, lent } = stage.ledger;
  const last = stage.evaluations.at(-1)?.epoch ?? 0;
  const done = size === 0 ? 0 : Math.floor(committedOf(stage.ledger) / size);
  if (done <= last) return null;
  const isEnd = pending.length === 0 && lent.length === 0;
  return isEnd || done >= last + evaluateEvery ? done : null;
}
