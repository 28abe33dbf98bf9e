/** A stage that takes a trained model into the run: its parameters are in the run's checkpoints from the start, and are tested here. */

import { MODEL_PEER } from '../../../src/config/peer.js';
import type { StageRecipe } from '../../../src/config/schema.js';
import { startEvaluation } from '../evaluation-round.js';
import type { StageNeeds } from '../stage.js';
import { failWithoutBase, unlessOne } from './finished.js';
import type { StageKind, StartRound } from './stage-kind.js';

/** The kind `load`: one evaluation of the model, which is reported as epoch 0. */
export function loadKind({ test: split }: Extract<StageRecipe, { kind: 'load' }>): StageKind {
  const needs: StageNeeds = {
    peers: [MODEL_PEER],
    of: null,
    init: new Map(),
    teacher: null,
    training: null,
    checkpointEvery: Number.POSITIVE_INFINITY,
  };
  return {
    needs,
    next: ({ name: stage, evaluations }) => {
      if (evaluations.length > 0) return { type: 'done' };
      const start: StartRound = (turn, students) => {
        startEvaluation(turn, { stage, columns: students.map(({ incarnation }) => [{ peer: MODEL_PEER, incarnation }]), epoch: 0, split });
      };
      const missing = (students: readonly unknown[]) => unlessOne(students, { stage, peer: MODEL_PEER });
      return { type: 'round', missing, isTaught: false, isTraining: false, start };
    },
    onBaseLost: failWithoutBase,
  };
}
