/** A stage that tests the finished model of another stage. */

import type { StageRecipe } from '../../../src/config/schema.js';
import { startEvaluation } from '../evaluation-round.js';
import { failWithoutBase, needsOfFinished, unlessOne } from './finished.js';
import type { StageKind, StartRound } from './stage-kind.js';

/** The kind `evaluate`: one evaluation, which is reported as epoch 0 where it tests the last one. */
export function evaluateKind({ of, test: split }: Extract<StageRecipe, { kind: 'evaluate' }>): StageKind {
  const needs = needsOfFinished(of);
  return {
    needs,
    next: ({ evaluations, sourceEpoch }) => {
      if (evaluations.length > 0) return { type: 'done' };
      const { stage, peer } = needs.of;
      const start: StartRound = (turn, students) => {
        startEvaluation(turn, { stage, columns: students.map(({ incarnation }) => [{ peer, incarnation }]), epoch: sourceEpoch, split });
      };
      return { type: 'round', missing: (students) => unlessOne(students, needs.of), isTaught: false, isTraining: false, start };
    },
    onBaseLost: failWithoutBase,
  };
}
