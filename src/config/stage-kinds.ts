/**
 * The kinds of stage, for code that only asks whether a stage trains and whether it is taught. Pure. coordinator/core/kinds
 * leads each kind in the coordinator.
 *
 * A new kind of stage: its schema in schema.ts, its line here, its file in coordinator/core/kinds.
 */

import type { StageRecipe, TaughtStage, TrainingStage } from './schema.js';

interface StageKindTraits {
  /** Whether it changes parameters: it then has epochs, and its models are its peers. */
  readonly trains: boolean;
  /** Whether it has models of its own, for other stages to name. The others work on such a stage. */
  readonly hasModels: boolean;
}

/** Every kind of stage that a recipe may have. */
export const STAGE_KINDS: Readonly<Record<StageRecipe['kind'], StageKindTraits>> = {
  train: { trains: true, hasModels: true },
  distil: { trains: true, hasModels: true },
  mutual: { trains: true, hasModels: true },
  load: { trains: false, hasModels: true },
  evaluate: { trains: false, hasModels: false },
  export: { trains: false, hasModels: false },
};

/** The names of the kinds that have models, for a recipe whose shape is not checked yet. */
export const MODEL_KINDS: readonly string[] = Object.entries(STAGE_KINDS).flatMap(([kind, { hasModels }]) => (hasModels ? [kind] : []));

/** Whether the stage changes parameters. */
export function isTrainingStage(stage: StageRecipe): stage is TrainingStage {
  return STAGE_KINDS[stage.kind].trains;
}

/** Whether the stage learns from the model of another stage, its `teacher`, and so needs teacher workers. */
export function isTaughtStage(stage: StageRecipe): stage is TaughtStage {
  return 'teacher' in stage && stage.teacher !== undefined;
}
