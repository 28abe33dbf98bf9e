/** A stage that trains a model from its labels. */

import type { StageRecipe } from '../../../src/config/schema.js';
import type { StageKind } from './stage-kind.js';
import { trainingKind } from './training.js';

/** The kind `train`: one peer, no teacher. */
export function trainKind(recipe: Extract<StageRecipe, { kind: 'train' }>): StageKind {
  return trainingKind(recipe, { teacher: null });
}
