/**
 * A training step as a graph in a session, which holds the parameters, the BatchNorm statistics and the optimiser's slots.
 * It is recorded from an eager step, and proven against it, before anyone gets it.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import type { StepAnswerBatch, StepProgram } from '../engines/step-program.js';
import type { TensorStep } from '../engines/tensor-step.js';
import { messageOf } from '../errors/stillhouse-error.js';
import { toBfloat16 } from './bfloat16.js';
import { cutRecording } from './cut.js';
import { type ArenaRange, buildGraph, type Graph } from './graph.js';
import type { NativeArray } from './native-backend.js';
import { BF16_TOLERANCE, FP32_TOLERANCE, replayFault, type StepTrail } from './proof.js';
import type { RecordedCall } from './record.js';
import { TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import {
  answerFeeds,
  assertSameProgram,
  type Feeds,
  imageFeeds,
  LOGITS,
  LOSS_SUM,
  otherCall,
  recordInfer,
  recordTrain,
  TERM,
  type TrainCall,
} from './step-recording.js';
import type { Precision } from './trace-notice.js';

/** Whole: one call is one step. Cut: two calls, with an exchange between. */
export type TrainingForm = 'whole' | 'cut';

export interface TrainingTraceOptions {
  readonly step: TensorStep;
  /** The same step and model, op by op. It has the state, and has it again when this returns or throws. */
  readonly eager: StepProgram;
  readonly inputShape: readonly number[];
  readonly form: TrainingForm;
  readonly precision: Precision;
  /** A real batch of the size that is traced, and its knobs. */
  readonly call: TrainCall;
}

/** Parameters and slots as the step program's arenas. */
export interface TrainingState {
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

/** Loss, terms and logits of a step, read back. */
export interface TracedResult {
  readonly lossSum: number;
  readonly terms: Readonly<Record<string, number>>;
  /** [B, K] */
  readonly logits: Float32Array;
}

const TRAIN = 'train';
const FORWARD = 'forward';
const BACKWARD = 'backward';
const INFER = 'infer';

/** Records, builds and proves the step. Throws TraceRefusal; nothing has then changed. */
export function traceTraining(options: TrainingTraceOptions): TrainingTrace {
  const { step, eager, form, precision, call } = options;
  const before = stateOf(eager);
  const calls = [call, otherCall(call, step.classes)] as const;
  const runs = calls.map((next) => recordFrom(options, before, next));
  const [first, second] = [present(runs[0], 'first recording'), present(runs[1], 'second recording')];
  assertSameProgram(first.recorded.recording, second.recorded.recording);
  const session = refuseWhatFails(() => openSession(trainingGraph(options, first.recorded)));
  const trace = new TrainingTrace(session, options);
  try {
    const tolerance = precision === 'bf16' ? BF16_TOLERANCE : FP32_TOLERANCE;
    calls.forEach((next, i) => {
      const replay = refuseWhatFails(() => trace.replayFrom(before, next));
      const fault = replayFault({ before, eager: present(runs[i], 'recording').trail, replay, tolerance });
      if (fault !== null) throw new TraceRefusal(`${fault} (form ${form}, precision ${precision})`);
    });
  } catch (error) {
    session.close();
    throw error;
  }
  return trace;
}

/** The graph of a recorded step: `train`, or `forward` and `backward`; `infer`; the arenas `parameters` and `slots`. */
export function trainingGraph({ step, inputShape, form, precision, call }: TrainingTraceOptions, recorded: RecordedCall): Graph {
  const convert = (recording: RecordedCall['recording']) => (precision === 'bf16' ? toBfloat16(recording) : recording);
  const images = imageFeeds(call.batch.images, call.batch.size, inputShape);
  const infer = recordInfer(step, images, step.variables).recording;
  const weights: ArenaRange = { from: 0, to: step.schema.entries.length };
  const arenas = { parameters: weights, slots: { from: weights.to, to: step.variables.length } };
  if (form === 'whole') return buildGraph({ functions: { [TRAIN]: convert(recorded.recording), [INFER]: infer }, arenas });
  const { first, second, stashFrom } = cutRecording(recorded.recording, recorded.cutAt, Object.keys(images));
  const released = { [BACKWARD]: { from: stashFrom, to: first.variables.length } };
  const functions = { [FORWARD]: convert(first), [BACKWARD]: convert(second), [INFER]: infer };
  return buildGraph({ functions, arenas, released });
}

interface RecordedRun {
  readonly recorded: RecordedCall;
  readonly trail: StepTrail;
}

/** Records the call, made from `before`, and puts that state back. */
function recordFrom({ step, eager, inputShape }: TrainingTraceOptions, before: TrainingState, call: TrainCall): RecordedRun {
  try {
    const recorded = recordTrain(step, trainFeeds(step, inputShape, call));
    return { recorded, trail: { results: recorded.results, ...stateOf(eager) } };
  } finally {
    step.abandon();
    eager.writeParameters(before.parameters);
    eager.writeSlots(before.slots);
  }
}

function trainFeeds(step: TensorStep, inputShape: readonly number[], { batch, knobs }: TrainCall): Feeds {
  return { ...imageFeeds(batch.images, batch.size, inputShape), ...answerFeeds(batch, step.nextKnobs(knobs)) };
}

function stateOf(program: StepProgram): TrainingState {
  return { parameters: program.readParameters(), slots: program.readSlots() };
}

/** libtensorflow may not take the graph: then the step is not traceable, and that is no defect of the program. */
function refuseWhatFails<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw new TraceRefusal(`TensorFlow does not run the graph: ${messageOf(error)}`);
  }
}

/** A proven step of one batch size. Its state is what was set last and the steps since. */
export class TrainingTrace {
  readonly #session: Session;
  readonly #step: TensorStep;
  readonly #inputShape: readonly number[];
  readonly #form: TrainingForm;
  /** B. */
  readonly size: number;

  constructor(session: Session, { step, inputShape, form, call }: TrainingTraceOptions) {
    this.#session = session;
    this.#step = step;
    this.#inputShape = inputShape;
    this.#form = form;
    this.size = call.batch.size;
  }

  /** One whole step; counts it, where the optimiser counts. */
  train(call: TrainCall): TracedResult {
    return tracedResult(this.#call(TRAIN, trainFeeds(this.#step, this.#inputShape, call)));
  }

  /** The first half of a cut step: logits [B, K]. */
  forward(images: Float32Array): Float32Array {
    const results = this.#call(FORWARD, imageFeeds(images, this.size, this.#inputShape));
    return present(results[LOGITS], LOGITS) as Float32Array;
  }

  /** The second half, after `forward`; without the logits, which that gave. */
  backward(answers: StepAnswerBatch, knobs: TrainCall['knobs']): Omit<TracedResult, 'logits'> {
    return tracedLoss(this.#call(BACKWARD, answerFeeds(answers, this.#step.nextKnobs(knobs))));
  }

  /** Logits of exactly B images in inference mode. */
  infer(images: Float32Array): Float32Array {
    return present(this.#call(INFER, imageFeeds(images, this.size, this.#inputShape))[LOGITS], LOGITS) as Float32Array;
  }

  readState(): TrainingState {
    return { parameters: this.readParameters(), slots: this.readSlots() };
  }

  readParameters(): Float32Array {
    return this.#readArena('parameters');
  }

  /** With the step count, where the optimiser counts. */
  readSlots(): Float32Array {
    const { slotCount, stepCount } = present(this.#step.optimizer, 'optimiser');
    const slots = this.#readArena('slots');
    if (slots.length === slotCount) return slots;
    const arena = new Float32Array(slotCount);
    arena.set(slots);
    arena[slots.length] = stepCount;
    return arena;
  }

  writeParameters(arena: Float32Array): void {
    this.#writeArena('parameters', arena);
  }

  /** The step count, where there is one, is the optimiser's to keep: write it there too. */
  writeSlots(arena: Float32Array): void {
    const elements = this.#step.variables.slice(this.#step.schema.entries.length).reduce((sum, { size }) => sum + size, 0);
    this.#writeArena('slots', arena.subarray(0, elements));
  }

  /** One step from a state, as the trace's proof needs it. The optimiser's count is as before. */
  replayFrom(before: TrainingState, call: TrainCall): StepTrail {
    const optimizer = present(this.#step.optimizer, 'optimiser');
    this.writeParameters(before.parameters);
    this.writeSlots(before.slots);
    const feeds = trainFeeds(this.#step, this.#inputShape, call);
    const parts = this.#form === 'whole' ? [TRAIN] : [FORWARD, BACKWARD];
    const results = Object.assign({}, ...parts.map((part) => this.#call(part, feeds))) as StepTrail['results'];
    const trail = { results, parameters: this.readParameters(), slots: this.readSlots() };
    optimizer.writeSlots(before.slots);
    return trail;
  }

  close(): void {
    this.#session.close();
  }

  /** Feeds that the signature has no input for are passed over. */
  #call(signature: string, feeds: Feeds): Readonly<Record<string, NativeArray>> {
    return this.#session.call(signature, Object.fromEntries(Object.entries(feeds).map(([name, { data }]) => [name, data])));
  }

  #readArena(name: string): Float32Array {
    if (!this.#session.has(`get.${name}`)) return new Float32Array(0);
    return present(this.#session.call(`get.${name}`, {}).arena, 'arena') as Float32Array;
  }

  #writeArena(name: string, arena: Float32Array): void {
    if (this.#session.has(`set.${name}`)) this.#session.call(`set.${name}`, { arena });
  }
}

function tracedResult(results: Readonly<Record<string, NativeArray>>): TracedResult {
  return { ...tracedLoss(results), logits: present(results[LOGITS], LOGITS) as Float32Array };
}

function tracedLoss(results: Readonly<Record<string, NativeArray>>): Omit<TracedResult, 'logits'> {
  const numberOf = (name: string) => present(results[name]?.[0], name);
  const terms = Object.keys(results).filter((name) => name.startsWith(TERM));
  return { lossSum: numberOf(LOSS_SUM), terms: Object.fromEntries(terms.map((name) => [name.slice(TERM.length), numberOf(name)])) };
}
