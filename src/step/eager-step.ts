/**
 * The step program that carries a step out op by op, on any engine: arrays become tensors, tensor-step.ts does the work,
 * and the tensors that come out become arrays and numbers.
 *
 * Invariants: between two calls the program holds the tensors that its step holds, and while a half is open the statistics before it;
 * the model is its caller's.
 * Some engines compute on the memory of the array that a tensor was made from. A tensor that is disposed before the call returns
 * is therefore made without a copy; one that stays alive (the images of `forward`, see also writeVariables) is made from a copy.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { Labels, SampleTensors } from '../losses/loss-method.js';
import { readVariables, writeVariables } from '../nn/weights.js';
import type { ArenaKind } from '../tensor/arena.js';
import { type Knowledge, type KnowledgeTensor, LOGITS_SPEC, type OutputSpec } from '../tensor/knowledge.js';
import { checkAnswers } from './check-answers.js';
import { evaluateLogits, stepResult } from './score.js';
import type { LabelArrays, SampleArrays, StepAnswerBatch, StepBatch, StepKnobs, StepProgram, StepResult } from './step-program.js';
import { buildTensorStep, type TensorStep, type TensorStepOptions } from './tensor-step.js';
import type { KnobTensors, LossOutputs, StepAnswers } from './trainer.js';

export interface EagerStepOptions extends TensorStepOptions {
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
}

/** A program over the model, whose parameters it changes in place. A model has at most one training program at a time. */
export function buildEagerStep(options: EagerStepOptions): StepProgram {
  return runEagerly(buildTensorStep(options), options);
}

/** A program that carries out the given step; its `dispose` disposes the step as well. */
export function runEagerly(tensorStep: TensorStep, { inputShape }: Pick<EagerStepOptions, 'inputShape'>): StepProgram {
  const { schema, classes, optimizer, parameters } = tensorStep;
  const stepper = new Stepper(tensorStep, inputShape);
  const trained = () => present(optimizer, 'the stage of a program that trains');
  return {
    schema,
    slotCount: optimizer?.slotCount ?? 0,
    step: (batch, knobs) => stepper.step(batch, knobs),
    forward: (images, size) => stepper.forward(images, size),
    backward: (answers, knobs) => stepper.backward(answers, knobs),
    abandon: () => stepper.abandon(),
    gradientLengths: (batch, loss) => stepper.gradientLengths(batch, loss),
    predict: (images, size) => stepper.predict(images, size),
    evaluate: (images, labels, size) => evaluateLogits(stepper.predict(images, size), labels, classes),
    answer: (images, size, specs) => stepper.answer(images, size, specs),
    inputGradient: (images, labels) => stepper.inputGradient(images, labels),
    readParameters: () => readVariables(parameters, schema),
    writeParameters(arena) {
      stepper.abandon();
      writeVariables(parameters, schema, arena);
      tensorStep.refresh();
    },
    readSlots: () => trained().readSlots(),
    writeSlots(slots) {
      stepper.abandon();
      trained().writeSlots(slots);
    },
    resetSlots() {
      stepper.abandon();
      trained().resetSlots();
    },
    dispose: () => stepper.dispose(),
  };
}

const STATISTICS: readonly ArenaKind[] = ['norm-mean', 'norm-variance'];

class Stepper {
  readonly #step: TensorStep;
  readonly #inputShape: readonly [number, number, number];
  /** The model's BatchNorm statistics. */
  readonly #statistics: readonly tf.Variable[];
  /** The logits of the forward half that is open, [B, K]. */
  #open: Float32Array | null = null;
  /** The statistics before the half that is open. They share the memory of the variables until these are written. */
  #before: readonly tf.Tensor[] = [];

  constructor(step: TensorStep, inputShape: readonly [number, number, number]) {
    this.#step = step;
    this.#inputShape = inputShape;
    const { entries } = step.schema;
    this.#statistics = step.parameters.filter((_, i) => STATISTICS.includes(present(entries[i], 'schema entry').kind));
  }

  step({ size, images, ...answers }: StepBatch, knobs: StepKnobs): StepResult {
    this.abandon();
    return withoutTensors(() => {
      const inputs = { images: this.#imageTensor(images, size), ...this.#answerTensors(answers, size) };
      const { logits_BK, ...loss } = this.#step.train(inputs, knobTensors(this.#step.nextKnobs(knobs)));
      return this.#result(loss, logits_BK.dataSync<'float32'>(), answers);
    });
  }

  forward(images: Float32Array, size: number): Knowledge {
    this.abandon();
    this.#keepStatistics();
    try {
      const knowledge = withoutTensors(() => knowledgeOf(this.#step.forward(this.#imageTensor(images.slice(), size))));
      this.#open = present(knowledge[0], 'the logits').data.slice();
      return knowledge;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  backward(answers: StepAnswerBatch, knobs: StepKnobs): StepResult {
    const logits = present(this.#open, 'the first half of the step (forward)');
    return withoutTensors(() => {
      const tensors = this.#answerTensors(answers, logits.length / this.#step.classes);
      const loss = this.#step.backward(tensors, knobTensors(this.#step.nextKnobs(knobs)));
      this.#open = null;
      this.#forgetBefore();
      return this.#result(loss, logits, answers);
    });
  }

  gradientLengths({ size, images, ...answers }: StepBatch, loss: StepKnobs['loss']): Record<string, number> {
    this.abandon();
    this.#keepStatistics();
    try {
      return withoutTensors(() => {
        const inputs = { images: this.#imageTensor(images, size), ...this.#answerTensors(answers, size) };
        const lengths = this.#step.gradientLengths(inputs, knobTensors(loss));
        return Object.fromEntries(Object.entries(lengths).map(([key, length]) => [key, numberOf(length)]));
      });
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    this.#open = null;
    this.#step.abandon();
    for (const [i, before] of this.#before.entries()) present(this.#statistics[i], 'a statistic').assign(before);
    this.#forgetBefore();
  }

  dispose(): void {
    this.abandon();
    this.#step.dispose();
  }

  #keepStatistics(): void {
    this.#before = this.#statistics.map((variable) => tf.keep(tf.clone(variable)));
  }

  #forgetBefore(): void {
    for (const before of this.#before) before.dispose();
    this.#before = [];
  }

  answer(images: Float32Array, size: number, specs: readonly OutputSpec[]): Knowledge {
    return withoutTensors(() => knowledgeOf(this.#step.answer(this.#imageTensor(images, size), specs)));
  }

  inputGradient(images: Float32Array, labels: Int32Array): KnowledgeTensor {
    const [map] = withoutTensors(() =>
      knowledgeOf([this.#step.inputGradient(this.#imageTensor(images, labels.length), tf.tensor1d(labels, 'int32'))]),
    );
    return present(map, 'the gradient by the images');
  }

  predict(images: Float32Array, size: number): Float32Array {
    return present(this.answer(images, size, [LOGITS_SPEC])[0], 'the logits').data;
  }

  #imageTensor(images: Float32Array, size: number): tf.Tensor4D {
    return tf.tensor4d(images, [size, ...this.#inputShape]);
  }

  #answerTensors(answers: StepAnswerBatch, size: number): StepAnswers {
    checkAnswers(answers, size, present(this.#step.training, 'the stage of a program that trains'));
    const { labels, other, samples, rest } = answers;
    const ofRest = rest && {
      before: rest.before,
      labels: labelTensors(rest.labels),
      student: tensorsOf(rest.student),
      other: tensorsOf(rest.other),
    };
    const numbered = samples && sampleTensors(samples, size);
    return { labels: labelTensors(labels), other: tensorsOf(other), samples: numbered, rest: ofRest };
  }

  #result(loss: LossOutputs, logits: Float32Array, answers: StepAnswerBatch): StepResult {
    const terms = Object.entries(loss.terms).map(([name, term]) => [name, numberOf(term)] as const);
    const reading = { mean: numberOf(loss.mean), terms: Object.fromEntries(terms), logits };
    return stepResult(reading, answers, present(this.#step.training, 'the training of the step').loss);
  }
}

function sampleTensors({ ids, drawn }: SampleArrays, size: number): SampleTensors {
  return { id_B: tf.tensor1d(ids, 'int32'), drawn_BD: tf.tensor2d(drawn, [size, drawn.length / size], 'int32') };
}

function labelTensors({ classes, mixed }: LabelArrays): Labels {
  const second = mixed && { second_B: tf.tensor1d(mixed.second, 'int32'), share_B: tf.tensor1d(mixed.share) };
  return { class_B: tf.tensor1d(classes, 'int32'), mixed: second };
}

function tensorsOf(knowledge: Knowledge): tf.Tensor[] {
  return knowledge.map(({ data, shape }) => tf.tensor(data, [...shape]));
}

function numberOf(scalar: tf.Scalar): number {
  return scalar.dataSync<'float32'>()[0] ?? Number.NaN;
}

/** tf.tidy for a function that returns no tensors: tf.tidy itself would look for tensors in every element of an array. */
function withoutTensors<Result>(run: () => Result): Result {
  let result!: Result;
  tf.tidy(() => {
    result = run();
  });
  return result;
}

function knobTensors(knobs: Readonly<Record<string, number>>): KnobTensors {
  return Object.fromEntries(Object.entries(knobs).map(([name, value]) => [name, tf.scalar(value)]));
}

/** The tensors as knowledge. The arrays are copies: on the cpu engine dataSync returns the tensor's own memory. */
function knowledgeOf(tensors: readonly tf.Tensor[]): Knowledge {
  return tensors.map((tensor) => ({ shape: tensor.shape, data: tensor.dataSync<'float32'>().slice() }));
}
