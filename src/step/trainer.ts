/**
 * The half of a step that trains, on tensors: forward with the stage's knowledge, its loss, gradient and update.
 *
 * Invariants: between two calls it holds the adapters and the memory of the loss, the optimiser's slots and, after `forward`, the tensors that `backward`
 * needs. While it exists, the model's BatchNorms train by src/nn/batch-norm.ts.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { assert, present } from '../base/assert.js';
import type { PeerRecipe } from '../config/schema.js';
import type { RestTensors } from '../losses/gathered-batch.js';
import type { Labels, SampleTensors } from '../losses/loss-method.js';
import { knobName, LABELS_KEY } from '../losses/loss-plan.js';
import type { StageLoss, StageLossValue } from '../losses/stage-loss.js';
import { createAdapters } from '../nn/adapter.js';
import { overrideBatchNorms } from '../nn/batch-norm.js';
import { frozenLayers } from '../nn/freeze.js';
import { type KnowledgeModel, knowledgeModel } from '../nn/knowledge-model.js';
import { createMemory } from '../nn/memory.js';
import { arenaSchemaOf, weightsOf } from '../nn/weights.js';
import { Optimizer } from '../optim/optimizer.js';
import type { ArenaSchema } from '../tensor/arena.js';
import type { RowShape } from '../tensor/knowledge.js';
import { rowsOfMemory } from './batch-samples.js';
import { type HeldForward, holdForward } from './held-tape.js';
import { TrainedInputGradient } from './input-gradient.js';
import type { StepKnobs } from './step-program.js';

/** The stage and the loss by which a model is trained. */
export interface StepTraining {
  readonly stage: PeerRecipe;
  readonly loss: StageLoss;
  /** The shapes, without the batch, of the knowledge that the loss asks: side by side, of each of its models in turn, that of its specs. */
  readonly otherShapes: readonly RowShape[];
  /** The shapes, without the batch, of the two lists `gathered` of the loss; not given where it has none. */
  readonly gatheredShapes?: GatheredShapes | undefined;
  /** The seed of the initial values of adapters and memory. */
  readonly seed: number;
  /** The number of samples of the split that the stage trains on, of which a loss may keep rows. */
  readonly samples?: number | undefined;
}

/** The shapes of the knowledge that the students of a row give each other. */
export interface GatheredShapes {
  readonly student: readonly (readonly number[])[];
  readonly other: readonly (readonly number[])[];
}

/** Sees the gradients of a step, by the variable's name: those that the loss depends on. They are not its own. */
export type GradientObserver = (gradients: tf.NamedTensorMap) => void;

/** The inputs of the second half of a step. */
export interface StepAnswers {
  readonly labels: Labels;
  /** The other side's knowledge, as the stage's loss asks for it. */
  readonly other: readonly tf.Tensor[];
  /** They are there where the loss keeps a memory. */
  readonly samples?: SampleTensors | undefined;
  /** The rest of the gathered batch. */
  readonly rest?: RestTensors | undefined;
}

/** Scalars by name: the loss's numbers as `loss.NAME`, and the optimiser's coefficients as `optimizer.NAME`. */
export type KnobTensors = Readonly<Record<string, tf.Scalar>>;

/** The training loss before the update, and its terms by name, without their weights: means over the batch. */
export type LossOutputs = Pick<StageLossValue, 'mean' | 'terms'>;

/** A part of the loss: the labels or a term, by its key. */
interface PartCall {
  readonly key: string;
  readonly answers: StepAnswers;
  readonly knobs: Readonly<Record<string, tf.Scalar>>;
}

const LOSS = 'loss.';
const COEFFICIENT = 'optimizer.';

export class Trainer {
  readonly schema: ArenaSchema;
  readonly optimizer: Optimizer;
  /** In the schema's order: the model's weights, then the adapters, then the memory. */
  readonly parameters: readonly tf.Variable[];
  readonly #loss: StageLoss;
  readonly #knowledge: KnowledgeModel;
  readonly #adapters: readonly tf.Variable[];
  /** The tensors that the loss keeps, in the order of its list. */
  readonly #memory: readonly tf.Variable[];
  /** The variables that the optimiser changes. */
  readonly #trained: tf.Variable[];
  readonly #restoreBatchNorms: () => void;
  readonly #onGradients: GradientObserver | undefined;
  #open: HeldForward | null = null;
  /** Null where the loss does not take the gradient by the images. */
  readonly #inputGradient: TrainedInputGradient | null;
  /** The images of the open half, for that gradient. */
  #images: tf.Tensor4D | null = null;

  constructor(model: LayersModel, training: StepTraining, onGradients?: GradientObserver) {
    const { stage, loss, seed } = training;
    const { memory = [] } = loss;
    this.#onGradients = onGradients;
    this.#loss = loss;
    this.#knowledge = knowledgeModel(model, loss.student);
    this.#adapters = createAdapters(loss.adapters, seed);
    this.#memory = memory.length === 0 ? [] : createMemory(memory, rowsOfMemory(training), seed);
    this.schema = arenaSchemaOf(
      model,
      loss.adapters,
      memory.map(({ name }, i) => ({ name, shape: present(this.#memory[i], name).shape })),
    );
    this.parameters = [...weightsOf(model), ...this.#adapters, ...this.#memory];
    const frozen = frozenLayers(model, stage.freeze);
    const kept = new Set([...frozen].flatMap((layer) => layer.weights.map((weight) => weight.read())));
    const optimized = this.parameters.flatMap((variable, i) => {
      const { kind, trainable } = present(this.schema.entries[i], 'schema entry');
      const adapter = loss.adapters[i - model.weights.length];
      const decays = adapter === undefined ? kind === 'kernel' || kind === 'other' : adapter.decays;
      return trainable && !kept.has(variable) ? [{ variable, decays: stage.optimizer.decayAll || decays }] : [];
    });
    this.#trained = optimized.map(({ variable }) => variable);
    this.optimizer = new Optimizer(stage.optimizer, optimized);
    this.#inputGradient = loss.takesInputGradient ? new TrainedInputGradient(model, this.#trained) : null;
    this.#restoreBatchNorms = overrideBatchNorms(model, frozen);
  }

  /** The knobs of the next update as numbers; counts the update where the optimiser counts. */
  nextKnobs({ rate, loss }: StepKnobs): Readonly<Record<string, number>> {
    return { ...prefixed(LOSS, loss), ...prefixed(COEFFICIENT, this.optimizer.nextCoefficients(rate)) };
  }

  /** The knowledge of the images in training mode, as the loss's `student` says. Drops an open half. */
  forward(images: tf.Tensor4D): tf.Tensor[] {
    this.abandon();
    this.#open = holdForward(() => this.#knowledge.run(images, { training: true }));
    if (this.#inputGradient !== null) this.#images = tf.keep(tf.clone(images));
    return this.#open.outputs.map((output) => tf.clone(output));
  }

  /** Makes the update. Throws when no first half is open. */
  backward(answers: StepAnswers, knobs: KnobTensors): LossOutputs {
    let kept: (LossOutputs & Pick<StageLossValue, 'memory'>) | null = null;
    try {
      return this.#takeOpenHalf(answers.labels, (gradients) => {
        const grads = gradients((student) => {
          const inputs = { ...answers, student, adapters: this.#adapters, memory: this.#memory };
          const value = this.#loss.sum(inputs, named(knobs, LOSS));
          // Kept beyond the gradient's own scope. A method may give a memory back as it was, and its variable is not to be disposed below.
          kept = {
            ...mapLoss(value, (scalar) => tf.keep(scalar)),
            memory: mapValues(value.memory ?? {}, (next) => tf.keep(tf.clone(next))),
          };
          return value.mean;
        });
        this.#onGradients?.(grads);
        this.optimizer.apply(this.#complete(grads), named(knobs, COEFFICIENT));
        this.#remember(present(kept, 'the loss').memory ?? {}, answers.samples);
        return mapLoss(present(kept, 'the loss'), (scalar) => tf.clone(scalar));
      });
    } finally {
      if (kept !== null) tf.dispose(kept);
    }
  }

  /** Puts the new rows of the batch's samples, and the new numbers, into the memory. Called within tf.tidy. */
  #remember(values: Readonly<Record<string, tf.Tensor>>, samples: SampleTensors | undefined): void {
    for (const [i, { name, width }] of (this.#loss.memory ?? []).entries()) {
      const [variable, next] = [present(this.#memory[i], name), present(values[name], name)];
      const indices = width === null ? null : tf.expandDims(present(samples, 'the samples of the batch').id_B, 1);
      variable.assign(indices === null ? tf.clone(next) : tf.tensorScatterUpdate(variable, indices, next));
    }
  }

  /** Runs `use`, which takes one gradient of the open half, within tf.tidy. `loss` gets the tensors that the loss asks of the student. */
  #takeOpenHalf<Result extends tf.TensorContainer>(
    { class_B }: Labels,
    use: (gradients: (loss: (student: readonly tf.Tensor[]) => tf.Scalar) => tf.NamedTensorMap) => Result,
  ): Result {
    const held = this.#open;
    assert(held !== null, 'the second half of a step without its first: no forward is open, or another step or abandon() has dropped it');
    // It is made before the tape of the loss is open. Where it fails, the half is still open.
    const map = this.#images === null ? null : (this.#inputGradient?.open(this.#images, class_B) ?? null);
    this.#open = null;
    const student = () => (map === null ? held.outputs : [...held.outputs, map.tensor()]);
    try {
      return tf.tidy(() => use((loss) => held.gradients(() => loss(student()), this.#trained).grads));
    } finally {
      map?.dispose();
      this.#forgetImages();
    }
  }

  /**
   * The length of the gradient of each part of the loss, weighted as `knobs` say, over all trained variables: scalars by the part's key.
   * `knobs` are the loss's own, without a prefix. A forward pass for each part, which moves the BatchNorm statistics. Drops an open half.
   */
  gradientLengths(images: tf.Tensor4D, answers: StepAnswers, knobs: Readonly<Record<string, tf.Scalar>>): Record<string, tf.Scalar> {
    const { plan } = this.#loss;
    const keys = [...(plan.labels.weight === 0 ? [] : [LABELS_KEY]), ...plan.terms.map(({ key }) => key)];
    return Object.fromEntries(keys.map((key) => [key, tf.tidy(() => this.#gradientLength(images, { key, answers, knobs }))]));
  }

  #gradientLength(images: tf.Tensor4D, { key, answers, knobs }: PartCall): tf.Scalar {
    this.forward(images);
    return this.#takeOpenHalf(answers.labels, (gradients) => {
      const grads = gradients((student) => {
        const value = this.#loss.sum({ ...answers, student, adapters: this.#adapters, memory: this.#memory }, knobs);
        const weight = present(knobs[knobName(key, 'weight')], `the weight of ${key}`);
        return tf.mul(present(value.terms[key], `the part ${key}`), weight);
      });
      const squares = Object.values(grads).flatMap((gradient) => (gradient === null ? [] : [tf.sum(tf.square(gradient))]));
      return tf.sqrt(tf.addN(squares)) as tf.Scalar;
    });
  }

  /** Drops an open first half. Changes nothing when none is open. */
  abandon(): void {
    this.#open?.dispose();
    this.#open = null;
    this.#forgetImages();
  }

  dispose(): void {
    this.abandon();
    this.optimizer.dispose();
    for (const own of [...this.#adapters, ...this.#memory]) own.dispose();
    this.#restoreBatchNorms();
  }

  #forgetImages(): void {
    this.#images?.dispose();
    this.#images = null;
  }

  /** The gradients of all trained variables. A loss of taps alone does not depend on every variable: the gradient of the others is 0. */
  #complete(gradients: tf.NamedTensorMap): tf.NamedTensorMap {
    return Object.fromEntries(this.#trained.map(({ name, shape }) => [name, gradients[name] ?? tf.zeros(shape)]));
  }
}

function prefixed(prefix: string, numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [prefix + name, value]));
}

/** The knobs with this prefix, without it. */
function named(knobs: KnobTensors, prefix: string): Record<string, tf.Scalar> {
  const own = Object.entries(knobs).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]));
}

function mapValues<Value, Result>(record: Readonly<Record<string, Value>>, map: (value: Value) => Result): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

function mapLoss<Result>(
  { mean, terms }: LossOutputs,
  map: (scalar: tf.Scalar) => Result,
): { mean: Result; terms: Record<string, Result> } {
  return { mean: map(mean), terms: mapValues(terms, map) };
}
