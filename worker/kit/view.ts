/**
 * A view is samples of a split as they look in one epoch. A teacher and a student that name the same view of a stage see
 * the same pixels, so only ids travel.
 */

import { hashString, hashWords } from '../../src/base/prng.js';
import type { Recipe, TrainingStage } from '../../src/config/schema.js';
import type { BatchView } from '../../src/data/batch.js';

/** Samples of the stage's split, as augmented in this epoch. */
export interface SampleView {
  readonly epoch: number;
  readonly samples: Int32Array;
}

/** How a stage shows its samples in an epoch while it trains. */
export function trainingView(recipe: Recipe, stage: TrainingStage, epoch: number): BatchView {
  return { seed: recipe.seed, epoch, augment: stage.augment, normalise: recipe.data.normalise };
}

/** How samples look when a model is tested: as they are. */
export function testView(recipe: Recipe): BatchView {
  return { seed: recipe.seed, epoch: 0, augment: null, normalise: recipe.data.normalise };
}

/** The seed of a model's initial parameters: every replica builds the same ones, and no two models do. */
export function initialSeed(recipe: Recipe, model: string): number {
  return hashWords(recipe.seed, hashString(model));
}
