/**
 * The step program that carries a step out op by op, on any engine: arrays become tensors, tensor-step.ts does the work,
 * and what comes out becomes numbers.
 *
 * Invariants: between two calls the program holds what its step holds, and nothing else; the model is its caller's. Some
 * engines compute on the memory of the array that a tensor was made of. A tensor that is disposed before the call returns is
 * therefore made without a copy; what stays alive (the images of `forward`, see also writeArena) is a copy.
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert, present } from '../base/assert.js';
import { readArena, writeArena } from '../nn/weights.js';
import { evaluateLogits, stepResult } from './score.js';
import type { StepAnswerBatch, StepBatch, StepKnobs, StepProgram, StepResult } from './step-program.js';
import { buildTensorStep, type KnobTensors, type StepAnswers, type TensorStep, type TensorStepOptions } from './tensor-step.js';

export interface EagerStepOptions extends TensorStepOptions {
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
}

/** A program over the model, whose parameters it changes in place. One training program at a time per model. */
export function buildEagerStep(options: EagerStepOptions): StepProgram {
  return runEagerly(buildTensorStep(options), options);
}

/** A program that carries out the step of the options' model; `dispose` disposes the step as well. */
export function runEagerly(tensorStep: TensorStep, { model, inputShape }: EagerStepOptions): StepProgram {
  const { schema, classes, optimizer } = tensorStep;
  const stepper = new Stepper(tensorStep, inputShape);
  const trained = () => present(optimizer, 'the stage of a program that trains');
  return {
    schema,
    slotCount: optimizer?.slotCount ?? 0,
    step: (batch, knobs) => stepper.step(batch, knobs),
    forward: (images, size) => stepper.forward(images, size),
    backward: (answers, knobs) => stepper.backward(answers, knobs),
    abandon: () => stepper.abandon(),
    predict: (images, size) => stepper.predict(images, size),
    evaluate: (images, labels, size) => evaluateLogits(stepper.predict(images, size), labels, classes),
    readParameters: () => readArena(model, schema),
    writeParameters(arena) {
      stepper.abandon();
      writeArena(model, schema, arena);
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
    dispose: () => tensorStep.dispose(),
  };
}

class Stepper {
  readonly #step: TensorStep;
  readonly #inputShape: readonly [number, number, number];
  /** Logits of the forward half that is open. */
  #open: Float32Array | null = null;

  constructor(step: TensorStep, inputShape: readonly [number, number, number]) {
    this.#step = step;
    this.#inputShape = inputShape;
  }

  step({ size, images, labels, targets }: StepBatch, knobs: StepKnobs): StepResult {
    this.#open = null;
    return withoutTensors(() => {
      const inputs = { images: this.#imageTensor(images, size), ...this.#answerTensors({ labels, targets }, size) };
      const { logits_BK, ...loss } = this.#step.train(inputs, knobTensors(this.#step.nextKnobs(knobs)));
      return stepResult({ ...readLoss(loss), logits: logits_BK.dataSync<'float32'>() }, labels, this.#step.classes);
    });
  }

  forward(images: Float32Array, size: number): Float32Array {
    this.abandon();
    this.#open = withoutTensors(() => copyOf(this.#step.forward(this.#imageTensor(images.slice(), size))));
    return this.#open.slice();
  }

  backward(answers: StepAnswerBatch, knobs: StepKnobs): StepResult {
    const logits = present(this.#open, 'the first half of the step (forward)');
    return withoutTensors(() => {
      const tensors = this.#answerTensors(answers, logits.length / this.#step.classes);
      const loss = this.#step.backward(tensors, knobTensors(this.#step.nextKnobs(knobs)));
      this.#open = null;
      return stepResult({ ...readLoss(loss), logits }, answers.labels, this.#step.classes);
    });
  }

  abandon(): void {
    this.#open = null;
    this.#step.abandon();
  }

  predict(images: Float32Array, size: number): Float32Array {
    return withoutTensors(() => copyOf(this.#step.infer(this.#imageTensor(images, size))));
  }

  #imageTensor(images: Float32Array, size: number): tf.Tensor4D {
    return tf.tensor4d(images, [size, ...this.#inputShape]);
  }

  #answerTensors({ labels, targets }: StepAnswerBatch, size: number): StepAnswers {
    assert(labels.length === size, `${labels.length} labels for a batch of ${size}`);
    // Before the step is counted, which cannot be taken back.
    const { needsTargets } = this.#step;
    assert((targets !== null) === needsTargets, needsTargets ? 'a teacher must be heard' : 'no teacher is heard');
    return {
      labels_B: tf.tensor1d(labels, 'int32'),
      targets_BK: targets === null ? null : tf.tensor2d(targets, [size, this.#step.classes]),
    };
  }
}

/** tf.tidy for what answers no tensors: tf.tidy itself would look for them in every element of an array. */
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

function readLoss({ lossSum, terms }: { lossSum: tf.Scalar; terms: Readonly<Record<string, tf.Scalar>> }) {
  const numberOf = (scalar: tf.Scalar) => scalar.dataSync<'float32'>()[0] ?? Number.NaN;
  const named = Object.entries(terms).map(([name, term]) => [name, numberOf(term)] as const);
  return { lossSum: numberOf(lossSum), terms: Object.fromEntries(named) };
}

/** A copy: on the cpu engine dataSync answers the tensor's own memory. */
function copyOf(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync<'float32'>().slice();
}
