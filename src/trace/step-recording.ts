/**
 * The calls of a training step that are traced: which feeds each has, and its recording. A training step is recorded
 * twice, with other inputs, and refused when the two differ.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { StepAnswerBatch, StepBatch, StepKnobs } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import { differenceOf } from './compare-recordings.js';
import { type FeedArray, type RecordedCall, record } from './record.js';
import type { Recording } from './recording.js';
import { TraceRefusal } from './refusal.js';

export type Feeds = Readonly<Record<string, FeedArray>>;

/** The names of the results of a training call; each term of the loss is `term.NAME`. */
export const LOSS_SUM = 'loss';
export const LOGITS = 'logits';
export const TERM = 'term.';

/** The name of the feed that has the pixels. */
export const IMAGES = 'images';
const LABELS = 'labels';
const TARGETS = 'targets';

/** Images [B, H, W, C] as a feed. */
export function imageFeeds(images: Float32Array, size: number, inputShape: readonly number[]): Feeds {
  return { [IMAGES]: { shape: [size, ...inputShape], data: images } };
}

/** Labels [B], targets [B, K] and the step's knobs as feeds. */
export function answerFeeds({ labels, targets }: StepAnswerBatch, knobs: Readonly<Record<string, number>>): Feeds {
  const size = labels.length;
  const soft: Feeds = targets === null ? {} : { [TARGETS]: { shape: [size, targets.length / size], data: targets } };
  const scalars = Object.entries(knobs).map(([name, value]) => [name, { shape: [], data: Float32Array.of(value) }] as const);
  return { [LABELS]: { shape: [size], data: labels }, ...soft, ...Object.fromEntries(scalars) };
}

export interface InferOptions {
  readonly step: TensorStep;
  /** [B, H, W, C], B times. */
  readonly images: Float32Array;
  readonly size: number;
  /** H, W, C. */
  readonly inputShape: readonly number[];
  /** Whether the weights are constants of the recording, for a model that does not change. Else they are variables, as training has them. */
  readonly frozen: boolean;
}

/** Records logits in inference mode. Throws TraceRefusal. */
export function recordInfer({ step, images, size, inputShape, frozen }: InferOptions): RecordedCall {
  return record({
    feeds: imageFeeds(images, size, inputShape),
    ...(frozen ? { variables: [], frozen: step.inferenceWeights } : { variables: step.variables }),
    run: (tensors) => ({ [LOGITS]: step.infer(present(tensors[IMAGES], 'images') as tf.Tensor4D) }),
  });
}

/** Records one update; it is made, and its cut is marked between forward and backward. */
export function recordTrain(step: TensorStep, feeds: Feeds): RecordedCall {
  return record({
    feeds,
    variables: step.variables,
    run({ [IMAGES]: images, [LABELS]: labels_B, [TARGETS]: targets_BK, ...knobs }, cut) {
      const logits_BK = step.forward(images as tf.Tensor4D);
      cut();
      const answers = { labels_B: labels_B as tf.Tensor1D, targets_BK: (targets_BK as tf.Tensor2D | undefined) ?? null };
      const { lossSum, terms } = step.backward(answers, knobs as Record<string, tf.Scalar>);
      const named = Object.entries(terms).map(([name, term]) => [TERM + name, term] as const);
      return { [LOSS_SUM]: lossSum, ...Object.fromEntries(named), [LOGITS]: logits_BK };
    },
  });
}

/** A batch and its knobs as training takes them. */
export interface TrainCall {
  readonly batch: StepBatch;
  readonly knobs: StepKnobs;
}

/** Other images of the same kind: what a recording made of a number shows in the difference. */
export function otherImages(images: Float32Array): Float32Array {
  return images.map((pixel, i) => 0.9 * pixel + 0.01 * ((i % 7) - 3));
}

/** Another call of the same form, with other numbers everywhere. Its knobs are small changes, so that it is as harmless as the first. */
export function otherCall({ batch, knobs }: TrainCall, classes: number): TrainCall {
  const { size, images, labels, targets } = batch;
  return {
    batch: {
      size,
      images: otherImages(images),
      labels: labels.map((label) => (label + 1) % classes),
      targets: targets === null ? null : targets.map((logit, i) => 0.8 * logit + 0.1 * (i % 3)),
    },
    // A rate of 0, as a warm-up begins with, shows nothing of the update.
    knobs: {
      rate: knobs.rate === 0 ? 1e-3 : knobs.rate * 0.75,
      temperature: knobs.temperature * 1.25,
      alpha: knobs.alpha === 0 ? 0.125 : knobs.alpha * 0.875,
    },
  };
}

/** Throws TraceRefusal when the two are not one program. */
export function assertSameProgram(first: Recording, second: Recording): void {
  const difference = differenceOf(first, second);
  if (difference !== null) throw new TraceRefusal(difference);
}

/** Knobs for a recording that is made before any are known: a graph takes them anew at each step. */
export const SAMPLE_KNOBS: StepKnobs = { rate: 0.01, temperature: 4, alpha: 0.9 };

/** Images [B, H, W, C] with made-up labels and targets, for recording a step before its own are known. */
export function sampleBatch({ classes, needsTargets }: TensorStep, images: Float32Array, size: number): StepBatch {
  const labels = Int32Array.from({ length: size }, (_, i) => i % classes);
  const targets = needsTargets ? Float32Array.from({ length: size * classes }, (_, i) => (i % 7) - 3) : null;
  return { size, images, labels, targets };
}
