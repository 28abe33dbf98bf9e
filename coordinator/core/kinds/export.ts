/** A stage that writes the finished model of another stage, for others to load. */

import type { StageRecipe } from '../../../src/config/schema.js';
import { startExport } from '../export-round.js';
import { failWithoutBase, needsOfFinished, unlessOne } from './finished.js';
import type { StageKind, StartRound } from './stage-kind.js';

/** The kind `export`: one student writes the model once. */
export function exportKind({ of }: Extract<StageRecipe, { kind: 'export' }>): StageKind {
  const needs = needsOfFinished(of);
  const start: StartRound = (turn, students) => startExport(turn, students, needs.of);
  return {
    needs,
    next: ({ isExported }) =>
      isExported
        ? { type: 'done' }
        : { type: 'round', missing: (students) => unlessOne(students, needs.of), isTaught: false, isTraining: false, start },
    onBaseLost: failWithoutBase,
  };
}
