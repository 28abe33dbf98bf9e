/**
 * The calls of a training step that are traced: the feeds and results of each call, and its recording. A training step is
 * recorded twice, with other inputs, and refused when the two recordings differ.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { knobsOfLoss } from '../losses/stage-loss.js';
import { nextSamples, rowsOfMemory, someSamples } from '../step/batch-samples.js';
import type { LabelArrays, StepAnswerBatch, StepBatch, StepKnobs } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import type { StepTraining } from '../step/trainer.js';
import { type Knowledge, type KnowledgeTensor, LOGITS_SPEC, type OutputSpec } from '../tensor/knowledge.js';
import { sizeOf } from '../tensor/tensor.js';
import { differenceOf } from './compare-recordings.js';
import type { NativeArray } from './native-backend.js';
import { type FeedArray, type RecordedCall, record } from './record.js';
import type { Recording } from './recording.js';
import { TraceRefusal } from './refusal.js';

export type Feeds = Readonly<Record<string, FeedArray>>;

/** The names of the results of a training call; each part of the loss is `term.NAME`. */
export const MEAN_LOSS = 'loss';
export const TERM = 'term.';
/** The tensor of knowledge at place i is `knowledge.i`; a student's first one is the logits. */
const KNOWLEDGE = 'knowledge.';
export const LOGITS = `${KNOWLEDGE}0`;

/** The name of the feed that has the pixels. */
export const IMAGES = 'images';
/** The name of the feed that has the classes. */
export const LABELS = 'labels';
const SECOND_LABELS = 'labels.second';
const SHARES = 'labels.share';
/** The other side's tensor at place i is `other.i`. */
const OTHER = 'other.';

const SAMPLES = 'samples';
const DRAWN = 'samples.drawn';

/** Images [B, H, W, C] as a feed. */
export function imageFeeds(images: Float32Array, size: number, inputShape: readonly number[]): Feeds {
  return { [IMAGES]: { shape: [size, ...inputShape], data: images } };
}

/** Labels, samples, the other side's knowledge and the step's knobs as feeds. */
export function answerFeeds({ labels, other, samples }: StepAnswerBatch, knobs: Readonly<Record<string, number>>): Feeds {
  const { classes, mixed } = labels;
  const shape = [classes.length];
  const mix: Feeds = mixed === null ? {} : { [SECOND_LABELS]: { shape, data: mixed.second }, [SHARES]: { shape, data: mixed.share } };
  const size = classes.length;
  const numbered: Feeds =
    samples === undefined
      ? {}
      : { [SAMPLES]: { shape, data: samples.ids }, [DRAWN]: { shape: [size, samples.drawn.length / size], data: samples.drawn } };
  const scalars = Object.entries(knobs).map(([name, value]) => [name, { shape: [], data: Float32Array.of(value) }] as const);
  return {
    [LABELS]: { shape, data: classes },
    ...mix,
    ...numbered,
    ...Object.fromEntries(other.map((tensor, i) => [OTHER + i, tensor])),
    ...Object.fromEntries(scalars),
  };
}

/** Tensors as the results of a call. */
function knowledgeResults(tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(tensors.map((tensor, i) => [KNOWLEDGE + i, tensor]));
}

/** The results of a call as knowledge; the shapes are without the batch, in the order of the specs. */
export function readKnowledge(
  results: Readonly<Record<string, NativeArray>>,
  size: number,
  shapes: readonly (readonly number[])[],
): Knowledge {
  return shapes.map((shape, i) => ({ shape: [size, ...shape], data: present(results[KNOWLEDGE + i], KNOWLEDGE + i) as Float32Array }));
}

export interface InferOptions {
  readonly step: TensorStep;
  /** [B, H, W, C], B times. */
  readonly images: Float32Array;
  readonly size: number;
  /** H, W, C. */
  readonly inputShape: readonly number[];
  readonly specs: readonly OutputSpec[];
  /** Whether the weights are constants of the recording, for a model that does not change. If false, they are variables, as in training. */
  readonly frozen: boolean;
}

/** Records knowledge in inference mode. Throws TraceRefusal, and `model.invalid` for specs that the model cannot answer. */
export function recordAnswer({ step, images, size, inputShape, specs, frozen }: InferOptions): RecordedCall {
  const state = frozen ? { variables: [], frozen: step.answerWeights(specs) } : { variables: step.variables };
  return record({
    feeds: imageFeeds(images, size, inputShape),
    ...state,
    run: (tensors) => knowledgeResults(step.answer(present(tensors[IMAGES], 'images') as tf.Tensor4D, specs)),
  });
}

export interface InputGradientOptions extends Pick<InferOptions, 'step' | 'images' | 'inputShape'> {
  /** [B]. */
  readonly labels: Int32Array;
}

/** Records the gradient of the cross-entropy by the images of a model that does not change. Throws TraceRefusal. */
export function recordInputGradient({ step, images, labels, inputShape }: InputGradientOptions): RecordedCall {
  return record({
    feeds: { ...imageFeeds(images, labels.length, inputShape), ...classFeeds(labels) },
    variables: [],
    frozen: step.answerWeights([LOGITS_SPEC]),
    run: (tensors) => {
      const classes = present(tensors[LABELS], 'labels') as tf.Tensor1D;
      return knowledgeResults([step.inputGradient(present(tensors[IMAGES], 'images') as tf.Tensor4D, classes)]);
    },
  });
}

/** The classes of a batch as a feed. */
export function classFeeds(classes: Int32Array): Feeds {
  return { [LABELS]: { shape: [classes.length], data: classes } };
}

/** `whole`: one call is one step. `cut`: two calls, with an exchange between. */
export type TrainingForm = 'whole' | 'cut';

/** Records one update, which takes effect. The cut is between forward and backward. The only knowledge that a whole step gives is the logits. */
export function recordTrain(step: TensorStep, feeds: Feeds, form: TrainingForm): RecordedCall {
  return record({
    feeds,
    variables: step.variables,
    run({ [IMAGES]: images, ...rest }, cut) {
      const knowledge = step.forward(images as tf.Tensor4D);
      cut();
      const { mean, terms } = step.backward(answersOf(rest), rest as Record<string, tf.Scalar>);
      const named = Object.entries(terms).map(([name, term]) => [TERM + name, term] as const);
      const seen = form === 'whole' ? knowledge.slice(0, 1) : knowledge;
      return { [MEAN_LOSS]: mean, ...Object.fromEntries(named), ...knowledgeResults(seen) };
    },
  });
}

/** The inputs of the second half of a step, from the tensors of `answerFeeds`. */
function answersOf(tensors: Readonly<Record<string, tf.Tensor>>): Parameters<TensorStep['backward']>[0] {
  const vector = (name: string) => tensors[name] as tf.Tensor1D;
  const mixed = tensors[SHARES] === undefined ? null : { second_B: vector(SECOND_LABELS), share_B: vector(SHARES) };
  const other = Object.entries(tensors).filter(([name]) => name.startsWith(OTHER));
  const samples = tensors[SAMPLES] === undefined ? {} : { samples: { id_B: vector(SAMPLES), drawn_BD: tensors[DRAWN] as tf.Tensor2D } };
  return { labels: { class_B: vector(LABELS), mixed }, other: other.map(([, tensor]) => tensor), ...samples };
}

/** A batch and its knobs as training takes them. */
export interface TrainCall {
  readonly batch: StepBatch;
  readonly knobs: StepKnobs;
}

/** The same labels in the form of mixed ones, for a graph that must take both. */
export function asMixed({ classes, mixed }: LabelArrays): LabelArrays {
  return { classes, mixed: mixed ?? { second: classes, share: new Float32Array(classes.length).fill(1) } };
}

/** Other images of the same kind, so that a number computed from the images shows as a difference. */
export function otherImages(images: Float32Array): Float32Array {
  return images.map((pixel, i) => 0.9 * pixel + 0.01 * ((i % 7) - 3));
}

/** Another call of the same form, with other numbers everywhere. Its knobs differ little, so that the step stays as stable as the first. */
export function otherCall({ batch, knobs }: TrainCall, { classes, training }: Pick<TensorStep, 'classes' | 'training'>): TrainCall {
  const { size, images, labels, other, samples } = batch;
  const numbered = samples === undefined ? {} : { samples: nextSamples(samples, rowsOfMemory(present(training, 'the training'))) };
  const loss = Object.entries(knobs.loss).map(([name, value]) => [name, value === 0 ? 0.125 : value * 0.875]);
  return {
    batch: { size, images: otherImages(images), labels: otherLabels(labels, classes), other: other.map(otherTensor), ...numbered },
    // A rate of 0, as a warm-up begins with, shows nothing of the update.
    knobs: { rate: knobs.rate === 0 ? 1e-3 : knobs.rate * 0.75, loss: Object.fromEntries(loss) },
  };
}

/** Another class for each image. */
export function otherClasses(classes: Int32Array, count: number): Int32Array {
  return classes.map((label) => (label + 1) % count);
}

function otherLabels({ classes, mixed }: LabelArrays, count: number): LabelArrays {
  const next = (label: number) => (label + 1) % count;
  return {
    classes: otherClasses(classes, count),
    mixed: mixed && { second: mixed.second.map((label) => next(next(label))), share: mixed.share.map((share) => 0.75 * share + 0.125) },
  };
}

function otherTensor({ shape, data }: KnowledgeTensor): KnowledgeTensor {
  return { shape, data: data.map((value, i) => 0.8 * value + 0.1 * (i % 3)) };
}

/** Throws TraceRefusal when the two are not one program. */
export function assertSameProgram(first: Recording, second: Recording): void {
  const difference = differenceOf(first, second);
  if (difference !== null) throw new TraceRefusal(difference);
}

/** Knobs for a recording that is made before any are known: those of the stage's first step. A graph takes knobs anew at each step. */
export function sampleKnobs({ stage, loss }: StepTraining): StepKnobs {
  return { rate: 0.01, loss: knobsOfLoss(loss, { epoch: 0, epochs: stage.epochs }) };
}

/** Images [B, H, W, C] with made-up labels and knowledge of the other side, to record a step before the real ones are known. */
export function sampleBatch(step: Pick<TensorStep, 'classes' | 'training'>, images: Float32Array, size: number): StepBatch {
  const training = present(step.training, 'the training of the step');
  const { otherShapes } = training;
  const classes = Int32Array.from({ length: size }, (_, i) => i % step.classes);
  const other = otherShapes.map((shape) => {
    const whole = [size, ...shape];
    return { shape: whole, data: Float32Array.from({ length: sizeOf(whole) }, (_, i) => (i % 7) - 3) };
  });
  return { size, images, labels: { classes, mixed: null }, other, ...someSamples(training, size) };
}
