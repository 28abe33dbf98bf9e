/** Stages, batches and models for tests of training, small enough for the cpu engine. */

import { initializers, input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { Prng } from '../../src/base/prng.js';
import type { PeerRecipe, StageRecipe } from '../../src/config/schema.js';
import { hinton } from '../../src/losses/hinton.js';
import { hintonDeclaration } from '../../src/losses/hinton-declaration.js';
import type { LossMethod } from '../../src/losses/loss-method.js';
import { longForm, planTerm } from '../../src/losses/loss-plan.js';
import { joinTerms } from '../../src/losses/stage-loss.js';
import type { StepBatch, StepKnobs } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { rowsOf } from '../../src/tensor/knowledge.js';

type TrainStage = Extract<StageRecipe, { kind: 'train' }>;
type DistilStage = Extract<StageRecipe, { kind: 'distil' }>;

const COMMON = {
  needs: [],
  model: 'model',
  on: 'train',
  test: 'test',
  epochs: 1,
  batch: 8,
  every: 1,
  augment: { cropPadding: 0, flip: false },
  optimizer: { name: 'sgd', rate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false },
  schedule: { name: 'constant', warmupEpochs: 0 },
  evaluateEvery: 1,
  checkpointEvery: 1,
} as const satisfies Omit<TrainStage, 'kind' | 'loss'>;

export function trainStage(changes: Partial<TrainStage> = {}): TrainStage {
  return { ...COMMON, needs: [], kind: 'train', loss: { labelSmoothing: 0 }, ...changes };
}

export function distilStage(changes: Partial<DistilStage> = {}): DistilStage {
  const loss = { temperature: 4, alpha: 0.9, labelSmoothing: 0 };
  return { ...COMMON, needs: [], kind: 'distil', teacher: 'teacher', wire: 'full', loss, ...changes };
}

/** What a stage in the short form trains by: its labels and, in a distil stage, the term of Hinton, or another arithmetic in its place. */
export function trainingOf(stage: PeerRecipe, classes: number, method: LossMethod = hinton): StepTraining {
  const { labels, terms } = longForm(stage);
  const loaded = terms.map((term) => {
    const plan = planTerm(term, hintonDeclaration, 'hinton');
    return {
      plan,
      from: 'teacher' as const,
      needs: hintonDeclaration.needs(plan.settings, { student: () => [], other: () => [] }),
      method,
    };
  });
  return { stage, loss: joinTerms(labels, loaded), otherShapes: terms.map(() => [classes]), seed: 1 };
}

/** The short form's numbers. */
export interface ShortKnobs {
  readonly rate: number;
  readonly temperature?: number;
  /** By default 0: nobody teaches. */
  readonly alpha?: number;
}

/** The short form's numbers as a step takes them. */
export function knobsOf({ rate, temperature = 1, alpha = 0 }: ShortKnobs): StepKnobs {
  return { rate, loss: { 'labels.weight': 1 - alpha, 'hinton.weight': alpha, 'hinton.temperature': temperature } };
}

export interface BatchOptions {
  readonly size: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Whether a teacher's logits come along. */
  readonly taught?: boolean;
}

/** A batch of noise, a function of the seed. */
export function noiseBatch(seed: number, { size, inputShape, classes, taught = false }: BatchOptions): StepBatch {
  const random = new Prng(seed, 77);
  const pixels = size * inputShape.reduce((a, b) => a * b, 1);
  return {
    size,
    images: Float32Array.from({ length: pixels }, () => random.normal()),
    labels: { classes: Int32Array.from({ length: size }, () => random.below(classes)), mixed: null },
    other: taught ? [{ shape: [size, classes], data: Float32Array.from({ length: size * classes }, () => 3 * random.normal()) }] : [],
  };
}

/** Samples [from, to) of a batch, none of them mixed. */
export function partOf({ size, images, labels, other }: StepBatch, from: number, to: number): StepBatch {
  const pixels = images.length / size;
  return {
    size: to - from,
    images: images.slice(from * pixels, to * pixels),
    labels: { classes: labels.classes.slice(from, to), mixed: null },
    other: other.map((tensor) => rowsOf(tensor, from, to)),
  };
}

/** Logits = image x kernel + bias. Always starts the same. */
export function linearModel(inputShape: readonly [number, number, number], classes: number): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  const kernelInitializer = initializers.glorotUniform({ seed: 1 });
  const flat = layers.flatten({ name: 'flatten' }).apply(start);
  return model({
    inputs: start,
    outputs: layers.dense({ name: 'logits', units: classes, kernelInitializer }).apply(flat) as SymbolicTensor,
  });
}

/** A convolution with BatchNorm, then a linear layer: the least that moves statistics. A function of the seed. */
export function normModel(inputShape: readonly [number, number, number], classes: number, seed: number): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  const kernelInitializer = initializers.glorotUniform({ seed });
  let x = layers.conv2d({ name: 'conv', filters: 4, kernelSize: 3, padding: 'same', useBias: false, kernelInitializer }).apply(start);
  x = layers.batchNormalization({ name: 'norm', epsilon: 1e-5, momentum: 0.9 }).apply(x);
  x = layers.flatten({ name: 'flatten' }).apply(layers.activation({ name: 'relu', activation: 'relu' }).apply(x));
  return model({ inputs: start, outputs: layers.dense({ name: 'logits', units: classes, kernelInitializer }).apply(x) as SymbolicTensor });
}
