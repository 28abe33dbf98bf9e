/**
 * One training step on tensors: forward, loss, gradient and update, in tfjs operations alone. Nothing is read back, and
 * every value that changes from step to step comes in as a tensor. So the same step runs op by op (eager-step.ts) and can be
 * recorded and replayed as a graph.
 *
 * Invariants: between two calls a step that trains holds the adapters and the memory of its loss, the optimiser's slots and, after `forward`, the tensors
 * that `backward` needs; a step that only infers holds folded copies of its model. The model is its caller's. Every call
 * must be made within the caller's tf.tidy, which owns the tensors that the call returns.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { classesOf, knowledgeModel, shapeSourceOf, shapesOf } from '../nn/knowledge-model.js';
import { arenaSchemaOf, weightsOf } from '../nn/weights.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { ArenaSchema } from '../tensor/arena.js';
import { LOGITS_SPEC, type OutputSpec } from '../tensor/knowledge.js';
import { InferenceCopies } from './inference-copies.js';
import { inputGradient } from './input-gradient.js';
import type { StepKnobs } from './step-program.js';
import { type GradientObserver, type KnobTensors, type LossOutputs, type StepAnswers, type StepTraining, Trainer } from './trainer.js';

export interface TensorStepOptions {
  readonly model: LayersModel;
  /** Null for a step that only infers. */
  readonly training: StepTraining | null;
  /** Called at each step that trains. A step that is to be recorded has none: it must read nothing back. */
  readonly onGradients?: GradientObserver;
}

export interface StepInputs extends StepAnswers {
  /** [B, H, W, C]. */
  readonly images: tf.Tensor4D;
}

export interface StepOutputs extends LossOutputs {
  /** In training mode and before the update. */
  readonly logits_BK: tf.Tensor2D;
}

export interface TensorStep {
  readonly schema: ArenaSchema;
  /** K. */
  readonly classes: number;
  /** The variables of the schema, in its order: the model's weights, the adapters, the loss's memory. */
  readonly parameters: readonly tf.Variable[];
  /** All variables that a step changes: the parameters, then the optimiser's slots. */
  readonly variables: readonly tf.Variable[];
  /** Null in a step that only infers. */
  readonly training: StepTraining | null;
  /** Slots and step count; null in a step that only infers. Disposed with the step. */
  readonly optimizer: Optimizer | null;
  /** The knobs of the next update as numbers, always with the same names; counts the update where the optimiser counts. */
  nextKnobs(knobs: StepKnobs): Readonly<Record<string, number>>;
  /** Makes one update, by the gradient of the mean loss. Drops an open first half. */
  train(inputs: StepInputs, knobs: KnobTensors): StepOutputs;
  /**
   * The first half of an update. Returns the knowledge that the loss takes from the student, in training mode, the logits first, and
   * moves the BatchNorm statistics. The tensors that the second half needs stay alive, whatever else runs until then. Drops an open half.
   */
  forward(images: tf.Tensor4D): tf.Tensor[];
  /** The second half. Throws when no first half is open. */
  backward(answers: StepAnswers, knobs: KnobTensors): LossOutputs;
  /**
   * The length of the gradient of each part of the loss, weighted by the loss's knobs (by their names): scalars by the part's key. Moves the
   * BatchNorm statistics, once for each part; changes nothing else. Drops an open first half.
   */
  gradientLengths(inputs: StepInputs, knobs: KnobTensors): Readonly<Record<string, tf.Scalar>>;
  /** Drops an open first half. Changes nothing when none is open. */
  abandon(): void;
  /**
   * Knowledge in inference mode, in the order of the specs. A step that only infers has the model's BatchNorms folded, see
   * `refresh`. Throws `model.invalid` for specs that the model cannot answer.
   */
  answer(images: tf.Tensor4D, specs: readonly OutputSpec[]): tf.Tensor[];
  /** The gradient of the cross-entropy with these classes by the images, in inference mode; it reads the variables that logits are made of. */
  inputGradient(images: tf.Tensor4D, class_B: tf.Tensor1D): tf.Tensor;
  /** The shapes of the tensors that `answer` and `forward` give for these specs, without the batch. Throws `model.invalid` as `answer` does. */
  shapesOf(specs: readonly OutputSpec[]): readonly (readonly number[])[];
  /** The variables that `answer` reads for these specs: the model's weights, or those of a folded copy. */
  answerWeights(specs: readonly OutputSpec[]): readonly tf.Variable[];
  /** Must be called when the model's weights have been overwritten, before the next `answer`. */
  refresh(): void;
  /** Releases the tensors that the step holds. The model belongs to the code that built it. */
  dispose(): void;
}

/** A step over the model, whose weights it changes in place. A model has at most one training step at a time. Throws `model.invalid` for taps that are not there. */
export function buildTensorStep({ model, training, onGradients }: TensorStepOptions): TensorStep {
  return training === null ? buildFrozenStep(model) : buildTrainingStep(model, training, onGradients);
}

function buildTrainingStep(model: LayersModel, training: StepTraining, onGradients?: GradientObserver): TensorStep {
  const trainer = new Trainer(model, training, onGradients);
  const { schema, parameters, optimizer } = trainer;
  return {
    schema,
    classes: classesOf(model),
    parameters,
    variables: [...parameters, ...optimizer.slots],
    training,
    optimizer,
    nextKnobs: (knobs) => trainer.nextKnobs(knobs),
    train({ images, ...answers }, knobs) {
      const [logits] = trainer.forward(images);
      return { ...trainer.backward(answers, knobs), logits_BK: present(logits, 'the logits') as tf.Tensor2D };
    },
    forward: (images) => trainer.forward(images),
    backward: (answers, knobs) => trainer.backward(answers, knobs),
    gradientLengths: ({ images, ...answers }, knobs) => trainer.gradientLengths(images, answers, knobs),
    abandon: () => trainer.abandon(),
    answer: (images, specs) => knowledgeModel(model, specs).run(images, { training: false }),
    inputGradient: (images, class_B) => inputGradient(images, class_B, (x) => model.apply(x, { training: false }) as tf.Tensor),
    shapesOf: (specs) => shapesOf(specs, shapeSourceOf(model)),
    answerWeights: () => weightsOf(model),
    refresh: () => {},
    dispose: () => trainer.dispose(),
  };
}

function buildFrozenStep(model: LayersModel): TensorStep {
  const copies = new InferenceCopies(model);
  const parameters = weightsOf(model);
  const untrained = (): never => {
    throw new TypeError('a step without training');
  };
  return {
    schema: arenaSchemaOf(model),
    classes: classesOf(model),
    parameters,
    variables: parameters,
    training: null,
    optimizer: null,
    nextKnobs: untrained,
    train: untrained,
    forward: untrained,
    backward: untrained,
    gradientLengths: untrained,
    abandon: () => {},
    answer: (images, specs) => copies.run(images, specs),
    inputGradient: (images, class_B) =>
      inputGradient(images, class_B, (x) => present(copies.run(x as tf.Tensor4D, [LOGITS_SPEC])[0], 'the logits')),
    shapesOf: (specs) => shapesOf(specs, shapeSourceOf(model)),
    answerWeights: (specs) => copies.weights(specs),
    refresh: () => copies.refresh(),
    dispose: () => copies.dispose(),
  };
}
