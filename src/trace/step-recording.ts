/**
 * The calls of a training step that are traced: the feeds and results of each call, and its recording. A training step is
 * recorded twice, with other inputs, and refused when the two recordings differ.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { Labels, SampleTensors } from '../losses/loss-method.js';
import { knobsOfLoss } from '../losses/stage-loss.js';
import { nextSamples, rowsOfMemory, someSamples } from '../step/batch-samples.js';
import type { BatchPlace, LabelArrays, RestOfBatch, SampleArrays, StepAnswerBatch, StepBatch, StepKnobs } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import type { StepAnswers, StepTraining } from '../step/trainer.js';
import { type Knowledge, type KnowledgeTensor, LOGITS_SPEC, type OutputSpec, viewShape } from '../tensor/knowledge.js';
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
/** Feeds about the rest of a gathered batch. */
const REST = 'rest.';
const STUDENT = 'student.';
/** The numbers of the samples of a batch. */
const SAMPLES = 'samples';
const DRAWN = 'samples.drawn';

/** Images [B, H, W, C] as a feed. */
export function imageFeeds(images: Float32Array, size: number, inputShape: readonly number[]): Feeds {
  return { [IMAGES]: { shape: [size, ...inputShape], data: images } };
}

/** Labels, samples, the other side's knowledge and the step's knobs as feeds. */
export function answerFeeds({ labels, other, samples, rest }: StepAnswerBatch, knobs: Readonly<Record<string, number>>): Feeds {
  const scalars = Object.entries(knobs).map(([name, value]) => [name, { shape: [], data: Float32Array.of(value) }] as const);
  return {
    ...labelFeeds(labels),
    ...(samples === undefined ? {} : sampleFeeds(samples)),
    ...knowledgeFeeds(OTHER, other),
    ...(rest === undefined ? {} : restFeeds(rest)),
    ...Object.fromEntries(scalars),
  };
}

function restFeeds({ labels, student, other }: RestOfBatch): Feeds {
  const feeds = { ...labelFeeds(labels), ...knowledgeFeeds(STUDENT, student), ...knowledgeFeeds(OTHER, other) };
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [REST + name, feed]));
}

function sampleFeeds({ ids, drawn }: SampleArrays): Feeds {
  const size = ids.length;
  return { [SAMPLES]: { shape: [size], data: ids }, [DRAWN]: { shape: [size, drawn.length / size], data: drawn } };
}

function labelFeeds({ classes, mixed }: LabelArrays): Feeds {
  const shape = [classes.length];
  const mix: Feeds = mixed === null ? {} : { [SECOND_LABELS]: { shape, data: mixed.second }, [SHARES]: { shape, data: mixed.share } };
  return { ...classFeeds(classes), ...mix };
}

function knowledgeFeeds(prefix: string, knowledge: Knowledge): Feeds {
  return Object.fromEntries(knowledge.map((tensor, i) => [prefix + i, tensor]));
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

export interface TrainRecording {
  readonly feeds: Feeds;
  readonly form: TrainingForm;
  /** The place of the batch in a gathered one, which is a part of the recording; null where its feeds have no rest. */
  readonly place: BatchPlace | null;
}

/** Records one update, which takes effect. The cut is between forward and backward. The only knowledge that a whole step gives is the logits. */
export function recordTrain(step: TensorStep, { feeds, form, place }: TrainRecording): RecordedCall {
  return record({
    feeds,
    variables: step.variables,
    run({ [IMAGES]: images, ...rest }, cut) {
      const knowledge = step.forward(images as tf.Tensor4D);
      cut();
      const { mean, terms } = step.backward(answersOf(rest, place), rest as Record<string, tf.Scalar>);
      const named = Object.entries(terms).map(([name, term]) => [TERM + name, term] as const);
      const seen = form === 'whole' ? knowledge.slice(0, 1) : knowledge;
      return { [MEAN_LOSS]: mean, ...Object.fromEntries(named), ...knowledgeResults(seen) };
    },
  });
}

/** The inputs of the second half of a step, from the tensors of `answerFeeds`. */
function answersOf(tensors: FedTensors, place: BatchPlace | null): StepAnswers {
  const ofRest = Object.entries(tensors).filter(([name]) => name.startsWith(REST));
  const rest = Object.fromEntries(ofRest.map(([name, tensor]) => [name.slice(REST.length), tensor]));
  const own = { labels: fedLabels(tensors), other: fedKnowledge(tensors, OTHER), samples: fedSamples(tensors) };
  if (place === null) return own;
  const { before } = place;
  return { ...own, rest: { before, labels: fedLabels(rest), student: fedKnowledge(rest, STUDENT), other: fedKnowledge(rest, OTHER) } };
}

/** The tensors of a call's feeds, by name. */
type FedTensors = Readonly<Record<string, tf.Tensor>>;

function fedLabels(tensors: FedTensors): Labels {
  const vector = (name: string) => tensors[name] as tf.Tensor1D;
  const mixed = tensors[SHARES] === undefined ? null : { second_B: vector(SECOND_LABELS), share_B: vector(SHARES) };
  return { class_B: vector(LABELS), mixed };
}

function fedSamples(tensors: FedTensors): SampleTensors | undefined {
  if (tensors[SAMPLES] === undefined) return undefined;
  return { id_B: tensors[SAMPLES] as tf.Tensor1D, drawn_BD: tensors[DRAWN] as tf.Tensor2D };
}

function fedKnowledge(tensors: FedTensors, prefix: string): readonly tf.Tensor[] {
  return Object.entries(tensors).flatMap(([name, tensor]) => (name.startsWith(prefix) ? [tensor] : []));
}

/** A batch and its knobs as training takes them. */
export interface TrainCall {
  readonly batch: StepBatch;
  readonly knobs: StepKnobs;
}

function asMixed({ classes, mixed }: LabelArrays): LabelArrays {
  return { classes, mixed: mixed ?? { second: classes, share: new Float32Array(classes.length).fill(1) } };
}

/** Other images of the same kind, so that a number computed from the images shows as a difference. */
export function otherImages(images: Float32Array): Float32Array {
  return images.map((pixel, i) => 0.9 * pixel + 0.01 * ((i % 7) - 3));
}

/** Another call of the same form, with other numbers everywhere. Its knobs differ little, so that the step stays as stable as the first. */
export function otherCall({ batch, knobs }: TrainCall, { classes, training }: Pick<TensorStep, 'classes' | 'training'>): TrainCall {
  const { size, images, labels, other, samples, rest } = batch;
  const numbered = samples && nextSamples(samples, rowsOfMemory(present(training, 'the training')));
  const changed = { labels: otherLabels(labels, classes), other: other.map(otherTensor) };
  const ofRest = rest && {
    before: rest.before,
    labels: otherLabels(rest.labels, classes),
    student: rest.student.map(otherTensor),
    other: rest.other.map(otherTensor),
  };
  const loss = Object.entries(knobs.loss).map(([name, value]) => [name, value === 0 ? 0.125 : value * 0.875]);
  return {
    batch: { size, images: otherImages(images), ...changed, samples: numbered, rest: ofRest },
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

/** Images [B, H, W, C], B times, and their place in a gathered batch, if they have one. */
export interface SampledImages {
  readonly images: Float32Array;
  readonly size: number;
  readonly place?: BatchPlace | undefined;
}

/** The images with made-up labels and knowledge, to record a step before the real ones are known. */
export function sampleBatch(step: Pick<TensorStep, 'classes' | 'training'>, { images, size, place }: SampledImages): StepBatch {
  const training = present(step.training, 'the training of the step');
  const { otherShapes, gatheredShapes } = training;
  const labels = (count: number) => ({ classes: Int32Array.from({ length: count }, (_, i) => i % step.classes), mixed: null });
  const other = otherShapes.map((shape) => sampleTensor(viewShape(shape, size)));
  const batch = { size, images, labels: labels(size), other, ...someSamples(training, size) };
  if (place === undefined) return batch;
  const gathered = present(gatheredShapes, 'a loss over the gathered batch');
  const { before, others } = place;
  const rest = {
    before,
    labels: labels(others),
    student: gathered.student.map((shape) => sampleTensor([others, ...shape])),
    other: gathered.other.map((shape) => sampleTensor([others, ...shape])),
  };
  return { ...batch, rest };
}

/** The fractional part of the golden ratio: its multiples, without their whole parts, never come again. */
const GOLDEN = 0.618033988749895;

/** Numbers from -3 to 3. No two rows are alike: a relation of samples would not show between them. */
function sampleTensor(shape: readonly number[]): KnowledgeTensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => 6 * ((i * GOLDEN) % 1) - 3) };
}

/** The place of a batch in a gathered one; null where it is the whole of it. */
export function placeOf({ rest }: StepAnswerBatch): BatchPlace | null {
  return rest === undefined ? null : { before: rest.before, others: rest.labels.classes.length };
}

/** The same answers with labels in the form of mixed ones, for a graph that must take both. */
export function answersAsMixed({ labels, other, samples, rest }: StepAnswerBatch): StepAnswerBatch {
  return { labels: asMixed(labels), other, samples, rest: rest && { ...rest, labels: asMixed(rest.labels) } };
}
