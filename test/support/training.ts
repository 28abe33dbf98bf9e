/** Stages, batches and models for tests of training, small enough for the cpu engine. */

import { initializers, input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { Prng } from '../../src/base/prng.js';
import type { TrainingStage } from '../../src/config/schema.js';
import type { StepBatch } from '../../src/step/step-program.js';

type TrainStage = Extract<TrainingStage, { kind: 'train' }>;
type DistilStage = Extract<TrainingStage, { kind: 'distil' }>;

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
  return { ...COMMON, needs: [], kind: 'distil', teacher: 'teacher', loss, ...changes };
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
    labels: Int32Array.from({ length: size }, () => random.below(classes)),
    targets: taught ? Float32Array.from({ length: size * classes }, () => 3 * random.normal()) : null,
  };
}

/** Samples [from, to) of a batch. */
export function partOf({ size, images, labels, targets }: StepBatch, from: number, to: number): StepBatch {
  const pixels = images.length / size;
  const classes = targets === null ? 0 : targets.length / size;
  return {
    size: to - from,
    images: images.slice(from * pixels, to * pixels),
    labels: labels.slice(from, to),
    targets: targets === null ? null : targets.slice(from * classes, to * classes),
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
