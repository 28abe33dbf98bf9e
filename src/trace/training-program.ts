/**
 * The traced program of a model that trains.
 *
 * Invariants: the parameters and slots are in one place at a time, in the model's variables or in the session of one
 * trace (the holder), and move when a call needs them elsewhere. The optimiser itself always keeps its step count.
 */

import { assert, present } from '../base/assert.js';
import { checkAnswers } from '../step/check-answers.js';
import { evaluateLogits, stepResult } from '../step/score.js';
import type { BatchPlace, EvaluateResult, StepAnswerBatch, StepBatch, StepKnobs, StepProgram, StepResult } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import type { StepTraining } from '../step/trainer.js';
import type { ArenaSchema } from '../tensor/arena.js';
import type { Knowledge, KnowledgeTensor, OutputSpec } from '../tensor/knowledge.js';
import type { FrozenProgramParts } from './frozen-program.js';
import { padBatch } from './pad-batch.js';
import { answersAsMixed, placeOf, sampleBatch, sampleKnobs, type TrainCall, type TrainingForm } from './step-recording.js';
import { TraceCache } from './trace-cache.js';
import { type TrainingTrace, traceTraining } from './training-trace.js';

/** The first half of a cut step that waits for its second half. */
interface OpenHalf {
  readonly trace: TrainingTrace;
  /** The place of its images in a gathered batch, which the graph was made for. */
  readonly place: string;
  readonly logits: Float32Array;
}

/** The batches that one trace runs. */
interface BatchKind {
  readonly size: number;
  /** Whether it takes labels of mixed images. */
  readonly isMixed: boolean;
  readonly place: BatchPlace | null;
}

export class TrainingProgram implements StepProgram {
  readonly schema: ArenaSchema;
  readonly slotCount: number;
  readonly #step: TensorStep;
  readonly #training: StepTraining;
  readonly #eager: StepProgram;
  readonly #options: FrozenProgramParts['options'];
  readonly #traces: TraceCache<TrainingTrace>;
  /** The trace whose session has the state; null when the model's variables have it. */
  #holder: TrainingTrace | null = null;
  #open: OpenHalf | null = null;
  /** The knobs of the last step. A cut step is recorded with them, because its own knobs come only with its second half. */
  #lastKnobs: StepKnobs;

  /** Disposes `eager` when it is disposed. */
  constructor({ step, eager, options }: FrozenProgramParts) {
    this.schema = eager.schema;
    this.slotCount = eager.slotCount;
    this.#step = step;
    this.#eager = eager;
    this.#options = options;
    this.#traces = new TraceCache(options);
    this.#training = present(step.training, 'the training of the step');
    this.#lastKnobs = sampleKnobs(this.#training);
  }

  step(batch: StepBatch, knobs: StepKnobs): StepResult {
    this.abandon();
    this.#checkImages(batch.images, batch.size);
    this.#checkAnswers(batch, batch.size);
    this.#lastKnobs = knobs;
    const kind = { size: batch.size, isMixed: batch.labels.mixed !== null, place: placeOf(batch) };
    const trace = this.#traceFor('whole', kind, () => ({ batch, knobs }));
    if (trace === null) return this.#eagerly().step(batch, knobs);
    return stepResult(this.#holding(trace).train({ batch, knobs }), batch, this.#training.loss);
  }

  forward(images: Float32Array, size: number, place?: BatchPlace): Knowledge {
    this.abandon();
    this.#checkImages(images, size);
    // The labels that will come may be of mixed images.
    const trace = this.#traceFor('cut', { size, isMixed: true, place: place ?? null }, () => {
      const batch = sampleBatch(this.#step, { images, size, place });
      return { batch: { ...batch, ...answersAsMixed(batch) }, knobs: this.#lastKnobs };
    });
    if (trace === null) return this.#eagerly().forward(images, size);
    const knowledge = this.#holding(trace).forward(images);
    this.#open = { trace, place: describePlace(place ?? null), logits: present(knowledge[0], 'the logits').data.slice() };
    return knowledge;
  }

  backward(answers: StepAnswerBatch, knobs: StepKnobs): StepResult {
    this.#lastKnobs = knobs;
    const open = this.#open;
    if (open === null) return this.#eager.backward(answers, knobs);
    this.#checkAnswers(answers, open.trace.size);
    assert(describePlace(placeOf(answers)) === open.place, `the rest of the batch is not the one that forward was told of (${open.place})`);
    const loss = open.trace.backward(answersAsMixed(answers), knobs);
    this.#open = null;
    return stepResult({ ...loss, logits: open.logits }, answers, this.#training.loss);
  }

  /** Runs op by op; the state moves there, and back at the next step. */
  gradientLengths(batch: StepBatch, loss: StepKnobs['loss']): Readonly<Record<string, number>> {
    this.abandon();
    return this.#eagerly().gradientLengths(batch, loss);
  }

  abandon(): void {
    const open = this.#open;
    this.#open = null;
    open?.trace.undo();
    this.#eager.abandon();
  }

  /** Runs in the session that holds the state, in batches of its size; eagerly while no session does. */
  predict(images: Float32Array, size: number): Float32Array {
    const trace = this.#traceForTests(size);
    if (trace === null) return this.#eager.predict(images, size);
    const imageSize = images.length / size;
    const logits = new Float32Array(size * this.#step.classes);
    for (let row = 0; row < size; row += trace.size) {
      const rows = Math.min(trace.size, size - row);
      const part = padBatch(images.subarray(row * imageSize, (row + rows) * imageSize), rows, trace.size);
      logits.set(trace.infer(part).subarray(0, rows * this.#step.classes), row * this.#step.classes);
    }
    return logits;
  }

  evaluate(images: Float32Array, labels: Int32Array, size: number): EvaluateResult {
    return evaluateLogits(this.predict(images, size), labels, this.#step.classes);
  }

  /** Runs op by op, on a copy of the state where a session has the state. */
  answer(images: Float32Array, size: number, specs: readonly OutputSpec[]): Knowledge {
    if (this.#holder !== null) this.#eager.writeParameters(this.#holder.readParameters());
    return this.#eager.answer(images, size, specs);
  }

  /** Runs op by op, as `answer` does. */
  inputGradient(images: Float32Array, labels: Int32Array): KnowledgeTensor {
    if (this.#holder !== null) this.#eager.writeParameters(this.#holder.readParameters());
    return this.#eager.inputGradient(images, labels);
  }

  readParameters(): Float32Array {
    return this.#holder === null ? this.#eager.readParameters() : this.#holder.readParameters();
  }

  writeParameters(arena: Float32Array): void {
    this.abandon();
    assert(arena.length === this.schema.size, `an arena of ${arena.length} elements for a model of ${this.schema.size}`);
    if (this.#holder === null) this.#eager.writeParameters(arena);
    else this.#holder.writeParameters(arena);
  }

  readSlots(): Float32Array {
    return this.#holder === null ? this.#eager.readSlots() : this.#holder.readSlots();
  }

  writeSlots(slots: Float32Array): void {
    this.abandon();
    // The optimiser keeps the step count, whichever place holds the other slots.
    this.#eager.writeSlots(slots);
    this.#holder?.writeSlots(slots);
  }

  resetSlots(): void {
    this.writeSlots(new Float32Array(this.slotCount));
  }

  /** Gives the model its parameters back, as after eager steps. */
  dispose(): void {
    this.abandon();
    if (this.#holder !== null) this.#eager.writeParameters(this.#holder.readParameters());
    this.#holder = null;
    this.#traces.clear();
    this.#eager.dispose();
  }

  /** The trace of a form for this kind of batch; null when the call is to run eagerly. `callOf` gives a call to record, where there is no trace yet. */
  #traceFor(form: TrainingForm, { size, isMixed, place }: BatchKind, callOf: () => TrainCall): TrainingTrace | null {
    const { inputShape, precision } = this.#options;
    const call = form === 'whole' ? 'step' : 'cut step';
    const make = () => {
      const eager = this.#eagerly();
      return traceTraining({ step: this.#step, eager, inputShape, form, precision, call: callOf() });
    };
    const called = { call, size, form: `${isMixed ? 'mixed' : 'plain'} labels`, place: describePlace(place) } as const;
    return this.#traces.obtain(called, make, this.#holder);
  }

  /** The holder where its batch is large enough, otherwise the largest trace; null when no session has the state. */
  #traceForTests(size: number): TrainingTrace | null {
    const holder = this.#holder;
    if (holder === null || this.#open !== null || holder.size >= size) return holder;
    const largest = this.#traces.open().reduce((most, next) => (next.size > most.size ? next : most), holder);
    return this.#holding(largest);
  }

  /** The eager program, after the state has moved into it. */
  #eagerly(): StepProgram {
    const holder = this.#holder;
    if (holder !== null) {
      const { parameters, slots } = holder.readState();
      this.#holder = null;
      this.#eager.writeParameters(parameters);
      this.#eager.writeSlots(slots);
    }
    return this.#eager;
  }

  /** The trace, after the state has moved into it. */
  #holding(trace: TrainingTrace): TrainingTrace {
    if (this.#holder !== trace) {
      const from = this.#holder ?? this.#eager;
      trace.writeParameters(from.readParameters());
      trace.writeSlots(from.readSlots());
      this.#holder = trace;
    }
    return trace;
  }

  // Checked before anything changes: a step that is counted, or half done, cannot be undone.
  #checkImages(images: Float32Array, size: number): void {
    const elements = this.#options.inputShape.reduce((product, axis) => product * axis, size);
    assert(images.length === elements, `${images.length} pixels for a batch of ${size}, which has ${elements}`);
  }

  #checkAnswers(answers: StepAnswerBatch, size: number): void {
    checkAnswers(answers, size, this.#training);
  }
}

/** The place of a batch in a gathered one, in words; empty where it is the whole of it. */
function describePlace(place: BatchPlace | null): string {
  return place === null ? '' : `after ${place.before} of ${place.others} others`;
}
