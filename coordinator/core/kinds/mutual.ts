/** A stage that trains several models together: at each step they learn from each other's predictions (arXiv 1706.00384). */

import type { StageRecipe } from '../../../src/config/schema.js';
import type { StageKind } from './stage-kind.js';
import { trainingKind } from './training.js';

/** The kind `mutual`: two or more peers, each with up to `replicas` students. */
export function mutualKind(recipe: Extract<StageRecipe, { kind: 'mutual' }>): StageKind {
  return trainingKind(recipe, { teacher: null, columnsMax: recipe.replicas });
}
