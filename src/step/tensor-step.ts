/**
 * The training step on tensors: forward, loss, gradient and update, in tfjs operations alone. Nothing is read back, and
 * what changes from step to step comes in as a tensor: so one and the same step runs op by op (eager-step.ts) and can be
 * recorded and replayed as a graph.
 *
 * Invariants: between two calls a step that trains holds the optimiser's slots and, after `forward`, what `backward` needs;
 * one that only infers holds a folded copy of its model (src/nn/fold.ts); nothing else. The model is its caller's. Every call
 * is to be made within the caller's tf.tidy, which owns what it returns.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { assert, present } from '../base/assert.js';
import type { TrainingStage } from '../config/schema.js';
import { type LossTerms, type StageLoss, stageLoss } from '../losses/stage-loss.js';
import { overrideBatchNorms } from '../nn/batch-norm.js';
import { foldBatchNorms } from '../nn/fold.js';
import { arenaSchemaOf } from '../nn/weights.js';
import { Optimizer } from '../optim/optimizer.js';
import type { ArenaSchema } from '../tensor/arena.js';
import { type HeldForward, holdForward } from './held-tape.js';
import type { StepKnobs } from './step-program.js';

export interface TensorStepOptions {
  readonly model: LayersModel;
  /** Null for a step that only infers. */
  readonly stage: TrainingStage | null;
}

/** What the second half of a step takes. */
export interface StepAnswers {
  /** Class of each sample, int32 [B]. */
  readonly labels_B: tf.Tensor1D;
  /** The teacher's logits, [B, K]: given exactly if `needsTargets`. */
  readonly targets_BK: tf.Tensor2D | null;
}

export interface StepInputs extends StepAnswers {
  /** [B, H, W, C]. */
  readonly images: tf.Tensor4D;
}

/** Scalars by name: `temperature`, `alpha`, and the optimiser's coefficients as `optimizer.NAME`. */
export type KnobTensors = Readonly<Record<string, tf.Scalar>>;

/** Types, not interfaces: tf.tidy takes them. */
export type LossOutputs = {
  /** The training loss before the update, summed over the batch. */
  readonly lossSum: tf.Scalar;
  /** Its terms by name, without their weights, summed over the batch; empty where there is only one. */
  readonly terms: LossTerms;
};
export type StepOutputs = LossOutputs & {
  /** In training mode and before the update. */
  readonly logits_BK: tf.Tensor2D;
};

export interface TensorStep {
  readonly schema: ArenaSchema;
  /** K. */
  readonly classes: number;
  /** All that a step changes: the model's weights in the schema's order, then the optimiser's slots in theirs. */
  readonly variables: readonly tf.Variable[];
  /** What `infer` reads: the model's weights, or those of its folded copy. */
  readonly inferenceWeights: readonly tf.Variable[];
  /** Whether the stage's loss takes the teacher's logits. */
  readonly needsTargets: boolean;
  /** Slots and step count; null in a step that only infers. Disposed with the step. */
  readonly optimizer: Optimizer | null;
  /** The knobs of the next update as numbers, the names always the same; counts the update where the optimiser counts. */
  nextKnobs(knobs: StepKnobs): Readonly<Record<string, number>>;
  /** One update, by the gradient of the mean loss. Drops an open forward half. */
  train(inputs: StepInputs, knobs: KnobTensors): StepOutputs;
  /**
   * The first half of an update: logits in training mode, BatchNorm statistics moved. What the second half needs stays alive,
   * whatever else runs until then. Drops an open one.
   */
  forward(images: tf.Tensor4D): tf.Tensor2D;
  /** The second half. Throws when no forward half is open. */
  backward(answers: StepAnswers, knobs: KnobTensors): LossOutputs;
  /** Drops an open forward half; without one it changes nothing. */
  abandon(): void;
  /** Logits in inference mode. A step that only infers has the model's BatchNorms folded, see `refresh`. */
  infer(images: tf.Tensor4D): tf.Tensor2D;
  /** To be called when the model's weights have been overwritten, before the next `infer`. */
  refresh(): void;
  /** Gives back what the step holds. The model stays with who built it. */
  dispose(): void;
}

/** A step over the model, whose weights it changes in place. One training step at a time per model. */
export function buildTensorStep({ model, stage }: TensorStepOptions): TensorStep {
  const schema = arenaSchemaOf(model);
  const trainer = stage === null ? null : new Trainer(model, schema, stage);
  const training = () => present(trainer, 'the stage of a program that trains');
  const folded = stage === null ? foldBatchNorms(model) : null;
  const inferred = folded?.model ?? model;
  return {
    schema,
    classes: present(model.outputs[0]?.shape[1], "the number of the model's classes"),
    variables: [...weightsOf(model), ...(trainer?.optimizer.slots ?? [])],
    inferenceWeights: weightsOf(inferred),
    needsTargets: trainer?.needsTargets ?? false,
    optimizer: trainer?.optimizer ?? null,
    nextKnobs: (knobs) => training().nextKnobs(knobs),
    train: (inputs, knobs) => training().train(inputs, knobs),
    forward: (images) => training().forward(images),
    backward: (answers, knobs) => training().backward(answers, knobs),
    abandon: () => trainer?.abandon(),
    infer: (images) => tf.tidy(() => inferred.apply(images, { training: false }) as tf.Tensor2D),
    refresh: () => folded?.refresh(),
    dispose() {
      trainer?.dispose();
      folded?.dispose();
    },
  };
}

function weightsOf(model: LayersModel): tf.Variable[] {
  return model.weights.map((weight) => weight.read() as tf.Variable);
}

const COEFFICIENT = 'optimizer.';

class Trainer {
  readonly optimizer: Optimizer;
  readonly needsTargets: boolean;
  readonly #model: LayersModel;
  readonly #variables: tf.Variable[];
  readonly #loss: StageLoss;
  readonly #restoreBatchNorms: () => void;
  #open: HeldForward<tf.Tensor2D> | null = null;

  constructor(model: LayersModel, schema: ArenaSchema, stage: TrainingStage) {
    this.#model = model;
    this.#loss = stageLoss(stage);
    this.needsTargets = this.#loss.needsTargets;
    const optimized = model.weights.flatMap((weight, i) => {
      const { kind, trainable } = present(schema.entries[i], 'schema entry');
      const decays = stage.optimizer.decayAll || kind === 'kernel' || kind === 'other';
      return trainable ? [{ variable: weight.read() as tf.Variable, decays }] : [];
    });
    this.#variables = optimized.map(({ variable }) => variable);
    this.optimizer = new Optimizer(stage.optimizer, optimized);
    this.#restoreBatchNorms = overrideBatchNorms(model);
  }

  nextKnobs({ rate, temperature, alpha }: StepKnobs): Readonly<Record<string, number>> {
    const coefficients = Object.entries(this.optimizer.nextCoefficients(rate));
    return { temperature, alpha, ...Object.fromEntries(coefficients.map(([name, value]) => [COEFFICIENT + name, value])) };
  }

  train({ images, ...answers }: StepInputs, knobs: KnobTensors): StepOutputs {
    const logits_BK = this.forward(images);
    return { ...this.backward(answers, knobs), logits_BK };
  }

  forward(images: tf.Tensor4D): tf.Tensor2D {
    this.abandon();
    this.#open = holdForward(() => this.#model.apply(images, { training: true }) as tf.Tensor2D);
    return tf.clone(this.#open.output);
  }

  backward({ labels_B, targets_BK }: StepAnswers, knobs: KnobTensors): LossOutputs {
    const held = this.#open;
    assert(held !== null, 'the second half of a step without its first: no forward is open, or another step or abandon() has dropped it');
    assert((targets_BK !== null) === this.needsTargets, this.needsTargets ? 'a teacher must be heard' : 'no teacher is heard');
    this.#open = null;
    const kept: LossOutputs[] = [];
    try {
      return tf.tidy(() => {
        const { grads } = held.gradients(() => {
          const batch = { logits_BK: held.output, labels_B, targets_BK };
          const { sum, count, terms } = this.#loss.sum(batch, { temperature: knob(knobs, 'temperature'), alpha: knob(knobs, 'alpha') });
          // Beyond the gradient's own scope.
          kept.push({ lossSum: tf.keep(sum), terms: mapTerms(terms, (term) => tf.keep(term)) });
          return tf.div(sum, count) as tf.Scalar;
        }, this.#variables);
        this.optimizer.apply(grads, coefficientsOf(knobs));
        const { lossSum, terms } = present(kept[0], 'the loss');
        return { lossSum: tf.clone(lossSum), terms: mapTerms(terms, (term) => tf.clone(term)) };
      });
    } finally {
      for (const { lossSum, terms } of kept) tf.dispose([lossSum, ...Object.values(terms)]);
    }
  }

  abandon(): void {
    this.#open?.dispose();
    this.#open = null;
  }

  dispose(): void {
    this.abandon();
    this.optimizer.dispose();
    this.#restoreBatchNorms();
  }
}

function knob(knobs: KnobTensors, name: string): tf.Scalar {
  return present(knobs[name], `the knob ${name}`);
}

function coefficientsOf(knobs: KnobTensors): KnobTensors {
  const own = Object.entries(knobs).filter(([name]) => name.startsWith(COEFFICIENT));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(COEFFICIENT.length), value]));
}

function mapTerms(terms: LossTerms, map: (term: tf.Scalar) => tf.Scalar): LossTerms {
  return Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, map(term)]));
}
