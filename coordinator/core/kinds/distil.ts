/** A stage that trains a model from the labels and from the knowledge of a finished model. */

import { peerNamed } from '../../../src/config/peer.js';
import type { StageRecipe } from '../../../src/config/schema.js';
import type { StageKind } from './stage-kind.js';
import { trainingKind } from './training.js';

/** The kind `distil`: one peer, taught by the model of another stage. */
export function distilKind(recipe: Extract<StageRecipe, { kind: 'distil' }>): StageKind {
  return trainingKind(recipe, { teacher: peerNamed(recipe.teacher) });
}
