/**
 * The step program that carries a step out op by op, on any engine.
 *
 * Invariants: between two calls the program holds the optimiser's slots and nothing else; the model is its caller's.
 * Inputs are not copied: every tensor made of a caller's array is disposed before the call returns, which is what
 * engines that compute on the caller's memory need. What goes into variables is copied, see writeArena.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { assert, present } from '../base/assert.js';
import type { TrainingStage } from '../config/schema.js';
import { type StageLoss, stageLoss } from '../losses/stage-loss.js';
import { overrideBatchNorms } from '../nn/batch-norm.js';
import { arenaSchemaOf, readArena, writeArena } from '../nn/weights.js';
import { Optimizer } from '../optim/optimizer.js';
import type { ArenaSchema } from '../tensor/arena.js';
import { countHits, crossEntropySum } from './score.js';
import type { EvaluateResult, StepBatch, StepKnobs, StepProgram, StepResult } from './step-program.js';

export interface EagerStepOptions {
  readonly model: LayersModel;
  /** Null for a program that only predicts and evaluates. */
  readonly stage: TrainingStage | null;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
}

/** A program over the model, whose parameters it changes in place. One training program at a time per model. */
export function buildEagerStep({ model, stage, inputShape }: EagerStepOptions): StepProgram {
  const schema = arenaSchemaOf(model);
  const classes = present(model.outputs[0]?.shape[1], "the number of the model's classes");
  const shape: BatchShape = { inputShape, classes };
  const trainer = stage === null ? null : new Trainer(model, schema, stage);
  const training = () => present(trainer, 'the stage of a program that trains');
  const predict = (images: Float32Array, size: number) => predictLogits(model, imageTensorOf(images, size, shape));
  return {
    schema,
    slotCount: trainer?.optimizer.slotCount ?? 0,
    step: (batch, knobs) => training().step(batch, knobs, shape),
    predict,
    evaluate(images, labels, size): EvaluateResult {
      const logits = predict(images, size);
      return { lossSum: crossEntropySum(logits, labels, classes), correct: countHits(logits, labels, classes), count: size };
    },
    readParameters: () => readArena(model, schema),
    writeParameters: (arena) => writeArena(model, schema, arena),
    readSlots: () => training().optimizer.readSlots(),
    writeSlots: (slots) => training().optimizer.writeSlots(slots),
    resetSlots: () => training().optimizer.resetSlots(),
    dispose: () => trainer?.dispose(),
  };
}

interface BatchShape {
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
}

class Trainer {
  readonly optimizer: Optimizer;
  readonly #model: LayersModel;
  readonly #variables: tf.Variable[];
  readonly #loss: StageLoss;
  readonly #restoreBatchNorms: () => void;

  constructor(model: LayersModel, schema: ArenaSchema, stage: TrainingStage) {
    this.#model = model;
    this.#loss = stageLoss(stage);
    const optimized = model.weights.flatMap((weight, i) => {
      const { kind, trainable } = present(schema.entries[i], 'schema entry');
      const decays = stage.optimizer.decayAll || kind === 'kernel' || kind === 'other';
      return trainable ? [{ variable: weight.read() as tf.Variable, decays }] : [];
    });
    this.#variables = optimized.map(({ variable }) => variable);
    this.optimizer = new Optimizer(stage.optimizer, optimized);
    this.#restoreBatchNorms = overrideBatchNorms(model);
  }

  step(batch: StepBatch, knobs: StepKnobs, shape: BatchShape): StepResult {
    const { size, labels } = batch;
    assert(labels.length === size, `${labels.length} labels for a batch of ${size}`);
    assert(
      (batch.targets !== null) === this.#loss.needsTargets,
      this.#loss.needsTargets ? 'a teacher must be heard' : 'no teacher is heard',
    );
    return tf.tidy(() => {
      const { loss, logits_BK } = this.#forwardBackward(batch, knobs, shape);
      const lossSum = loss.dataSync<'float32'>()[0] ?? Number.NaN;
      const logits = logits_BK.dataSync<'float32'>();
      return { lossSum, count: size, correct: countHits(logits, labels, shape.classes), finite: Number.isFinite(lossSum) };
    });
  }

  /** One update; the loss, summed, and the logits before it. Nothing is read back in here. */
  #forwardBackward(batch: StepBatch, knobs: StepKnobs, shape: BatchShape): { loss: tf.Scalar; logits_BK: tf.Tensor2D } {
    const images = imageTensorOf(batch.images, batch.size, shape);
    const labels_B = tf.tensor1d(batch.labels, 'int32');
    const targets_BK = batch.targets === null ? null : tf.tensor2d(batch.targets, [batch.size, shape.classes]);
    let logits_BK!: tf.Tensor2D;
    let loss!: tf.Scalar;
    const { value, grads } = tf.variableGrads(() => {
      logits_BK = this.#model.apply(images, { training: true }) as tf.Tensor2D;
      const { sum, count } = this.#loss.sum({ logits_BK, labels_B, targets_BK }, knobs);
      // Kept beyond the gradient's own scope, and handed to the caller's by the clones below.
      tf.keep(logits_BK);
      loss = tf.keep(sum);
      return tf.div(sum, count) as tf.Scalar;
    }, this.#variables);
    value.dispose();
    this.optimizer.apply(grads, knobs.rate);
    const result = { loss: tf.clone(loss), logits_BK: tf.clone(logits_BK) };
    tf.dispose([loss, logits_BK]);
    return result;
  }

  dispose(): void {
    this.optimizer.dispose();
    this.#restoreBatchNorms();
  }
}

function imageTensorOf(images: Float32Array, size: number, { inputShape }: BatchShape): tf.Tensor4D {
  return tf.tensor4d(images, [size, ...inputShape]);
}

/** Disposes the images. */
function predictLogits(model: LayersModel, images: tf.Tensor4D): Float32Array {
  const logits = tf.tidy(() => model.apply(images, { training: false }) as tf.Tensor);
  // A copy: on the cpu engine this is the tensor's own memory.
  const values = logits.dataSync<'float32'>().slice();
  tf.dispose([images, logits]);
  return values;
}
