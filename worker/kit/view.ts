/**
 * A view is samples of a split as they look in one epoch. A teacher and a student that name the same view of a stage see
 * the same pixels, so only ids travel.
 */

import { hashString, hashWords } from '../../src/base/prng.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import type { Recipe, TrainingStage } from '../../src/config/schema.js';
import type { BatchView } from '../../src/data/batch.js';
import { mixedLabels } from '../../src/data/mix.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import type { LabelArrays } from '../../src/step/step-program.js';

/** Samples of the stage's split, as augmented in this epoch. */
export interface SampleView {
  readonly epoch: number;
  readonly samples: Int32Array;
}

/** The seed, epoch and augmentation by which a stage shows its samples while it trains. */
export function trainingView(recipe: Recipe, stage: Pick<TrainingStage, 'augment'>, epoch: number): BatchView {
  return { seed: recipe.seed, epoch, augment: stage.augment, normalise: recipe.data.normalise };
}

/** The classes of the samples as the view shows them. Asserts that there are such samples. */
export function labelsOf({ store, label }: SampleSource, view: BatchView, samples: Int32Array): LabelArrays {
  return { classes: samples.map(label), mixed: mixedLabels(store, view, samples) };
}

/** The view for tests of a model: the samples without augmentation. */
export function testView(recipe: Recipe): BatchView {
  return { seed: recipe.seed, epoch: 0, augment: null, normalise: recipe.data.normalise };
}

/** The seed of a peer's initial parameters: every replica builds the same ones, and no two models or peers of a stage do. */
export function initialSeed(recipe: Recipe, { model, peer }: { readonly model: string; readonly peer: string }): number {
  const seed = hashWords(recipe.seed, hashString(model));
  // A stage of one peer begins with the same parameters as any other stage of its model: so stages can be compared.
  return peer === MODEL_PEER ? seed : hashWords(seed, hashString(peer));
}
