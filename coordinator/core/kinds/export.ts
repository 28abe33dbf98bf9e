/** A stage that writes the finished model of another stage, for others to load. */

import type { StageRecipe } from '../../../src/config/schema.js';
import { startExport } from '../export-round.js';
import { failWithoutBase, needsOfFinished } from './finished.js';
import type { StageKind, StartRound } from './stage-kind.js';

/** The kind `export`: the coordinator writes the model once. It needs no worker. */
export function exportKind({ of }: Extract<StageRecipe, { kind: 'export' }>): StageKind {
  const needs = needsOfFinished(of);
  const start: StartRound = (turn) => startExport(turn, needs.of);
  return {
    needs,
    next: ({ isExported }) =>
      isExported ? { type: 'done' } : { type: 'round', missing: () => [], isTaught: false, isTraining: false, start },
    onBaseLost: failWithoutBase,
  };
}
