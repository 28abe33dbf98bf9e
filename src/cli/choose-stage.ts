/** Chooses the stage of a recipe that a command works on. */

import { suggest } from '../base/nearest.js';
import type { Recipe, TrainingStage } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { StillhouseError } from '../errors/stillhouse-error.js';

/** The training stage with the name `wanted`, or the last training stage when no name is given. Throws usage.invalid when there is none. */
export function chooseStage(recipe: Recipe, wanted: string | undefined): { readonly name: string; readonly stage: TrainingStage } {
  const trained = stageOrder(recipe).flatMap((name) => {
    const stage = recipe.stages[name];
    return stage !== undefined && 'model' in stage ? [{ name, stage }] : [];
  });
  const found = wanted === undefined ? trained.at(-1) : trained.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  const names = trained.map(({ name }) => name);
  const what = wanted === undefined ? 'the recipe has no stage that trains' : `the recipe has no training stage "${wanted}"`;
  throw new StillhouseError('usage.invalid', `${what}${wanted === undefined ? '' : suggest(wanted, names)}`);
}
