/** A small student and teacher, and a stage whose loss takes labels, logits and the attention maps of a layer of each. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../../src/base/assert.js';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { sideFrom } from '../../src/losses/stage-loss.js';
import { shapeSourceOf } from '../../src/nn/knowledge-model.js';
import { batchKnowledge } from '../../src/step/batch-knowledge.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { joinTraining } from '../../src/step/load-training.js';
import type { StepBatch, StepKnobs } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { distilStage, noiseBatch, normModel } from './training.js';

export const TAPPED = { inputShape: [6, 6, 3], classes: 5 } as const;
const TEACHER_SEED = 21;

/** A convolution with BatchNorm and ReLU, then a linear layer. A function of the seed. */
export function tappedModel(seed = 1): LayersModel {
  return normModel(TAPPED.inputShape, TAPPED.classes, seed);
}

/** The training of a student, `tappedModel`, by another of them. */
export function tappedTraining(optimizer: OptimizerRecipe): Promise<StepTraining> {
  const loss = {
    labels: { weight: 0.7, smoothing: 0 },
    terms: [
      { loss: 'hinton', weight: 0.5, temperature: { schedule: 'linear', from: 4, to: 2 } as const },
      { loss: 'attention-transfer', weight: 300, taps: [['relu', 'relu'] as [string, string]] },
    ],
  };
  const model = tappedModel();
  const shapes = shapeSourceOf(model);
  model.dispose();
  return joinTraining(distilStage({ optimizer, loss, epochs: 10 }), { student: shapes, teacher: shapes, seed: 5 });
}

export interface TappedCall {
  readonly batch: StepBatch;
  readonly knobs: StepKnobs;
}

/** Batches of noise with what the teacher knows of them, and the knobs at so many epochs. */
export function tappedCalls({ loss }: StepTraining, sizes: readonly number[], rate = 0.05): TappedCall[] {
  const model = tappedModel(TEACHER_SEED);
  const teacher = buildEagerStep({ model, training: null, inputShape: TAPPED.inputShape });
  const calls = sizes.map((size, t) => {
    const batch = noiseBatch(t, { ...TAPPED, size });
    const about = { images: batch.images, labels: batch.labels.classes };
    const other = batchKnowledge(teacher, about, present(sideFrom(loss, 'teacher'), 'a teacher').specs);
    return { batch: { ...batch, other }, knobs: { rate, loss: lossKnobsAt(loss.plan, { epoch: t, epochs: 10 }) } };
  });
  teacher.dispose();
  model.dispose();
  return calls;
}

/** The same labels as halves of two classes. */
export function mixedCall({ batch, knobs }: TappedCall, share: number): TappedCall {
  const { classes } = batch.labels;
  const second = classes.map((label) => (label + 2) % TAPPED.classes);
  return { batch: { ...batch, labels: { classes, mixed: { second, share: new Float32Array(classes.length).fill(share) } } }, knobs };
}
