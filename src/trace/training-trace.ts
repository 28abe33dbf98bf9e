/**
 * A training step as a graph in a session, which holds the parameters, the BatchNorm statistics and the optimiser's slots.
 * It is recorded from an eager step, and proven against it, before it is returned.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import type { StepReading } from '../step/score.js';
import type { StepAnswerBatch, StepProgram } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import { type Knowledge, LOGITS_SPEC } from '../tensor/knowledge.js';
import { FROM_SMALL_DIFFERENCES, precisionOf, toBfloat16WithCut } from './bfloat16.js';
import { cutRecording } from './cut.js';
import { nameForFusion } from './fusion.js';
import { type ArenaRange, buildGraph, type Graph } from './graph.js';
import type { NativeArray } from './native-backend.js';
import { PROOF_TOLERANCE, replayFault, resultFault, type StepTrail } from './proof.js';
import type { RecordedCall } from './record.js';
import { refuseWhatFails, TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import {
  answerFeeds,
  assertSameProgram,
  type Feeds,
  imageFeeds,
  LOGITS,
  MEAN_LOSS,
  otherCall,
  placeOf,
  readKnowledge,
  recordAnswer,
  recordTrain,
  TERM,
  type TrainCall,
  type TrainingForm,
} from './step-recording.js';
import type { Precision } from './trace-notice.js';

export interface TrainingTraceOptions {
  readonly step: TensorStep;
  /** The same step and model, run op by op. It has the state before, and has it again when this returns or throws. */
  readonly eager: StepProgram;
  readonly inputShape: readonly number[];
  readonly form: TrainingForm;
  readonly precision: Precision;
  /** A real batch of the size that is traced, and its knobs. */
  readonly call: TrainCall;
  /** Called with the graph once it is proven. */
  readonly onGraph?: (graph: Graph) => void;
}

/** Parameters and slots as the step program's arenas. */
export interface TrainingState {
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

const TRAIN = 'train';
const FORWARD = 'forward';
const BACKWARD = 'backward';
const UNDO = 'undo';
const INFER = 'infer';

/** Records, builds and proves the step. Throws TraceRefusal, and then has changed nothing. The caller closes the trace. */
export function traceTraining(options: TrainingTraceOptions): TrainingTrace {
  const { step, eager, call } = options;
  const before = stateOf(eager);
  try {
    const first = recordTrial(options, { from: before, call });
    const second = recordTrial(options, { from: otherState(step, before), call: otherCall(call, step) });
    assertSameProgram(first.train.recording, second.train.recording);
    assertSameProgram(first.infer.recording, second.infer.recording);
    const { graph, precision } = refuseWhatFails(() => trainingGraph(options, first));
    const session = refuseWhatFails(() => openSession(graph));
    const trace = new TrainingTrace(session, { ...options, precision });
    try {
      for (const trial of [first, second]) prove(trace, trial, options);
      options.onGraph?.(graph);
    } catch (error) {
      trace.close();
      throw error;
    }
    return trace;
  } finally {
    step.abandon();
    eager.writeParameters(before.parameters);
    eager.writeSlots(before.slots);
  }
}

interface TrainingGraph {
  readonly graph: Graph;
  /** The precision of the step: fp32 where no part of it can be in bf16. */
  readonly precision: Precision;
}

/** The graph of a recorded step: `train`, or `forward` and `backward` or `undo`; `infer`; the arenas `parameters` and `slots`. */
function trainingGraph({ step, form, precision: wanted, call }: TrainingTraceOptions, { train, infer }: RecordedStep): TrainingGraph {
  const weights: ArenaRange = { from: 0, to: step.schema.entries.length };
  const arenas = { parameters: weights, slots: { from: weights.to, to: step.variables.length } };
  // Tests of the model are in fp32 whatever it trains in.
  const inference = { [INFER]: nameForFusion(infer.recording) };
  const plan = { recording: nameForFusion(train.recording), cutAt: train.cutAt };
  const { recording, cutAt } = wanted === 'bf16' && !takesInputGradient(step) ? toBfloat16WithCut(plan) : plan;
  const precision = precisionOf(recording);
  if (form === 'whole') return { graph: buildGraph({ functions: { [TRAIN]: recording, ...inference }, arenas }), precision };
  const images = Object.keys(imageFeeds(call.batch.images, call.batch.size, []));
  const { first, second, undo, stashFrom } = cutRecording(recording, cutAt, images);
  const stash = { from: stashFrom, to: first.variables.length };
  const functions = { [FORWARD]: first, [BACKWARD]: second, [UNDO]: undo, ...inference };
  return { graph: buildGraph({ functions, arenas, released: { [BACKWARD]: stash, [UNDO]: stash } }), precision };
}

function takesInputGradient({ training }: TensorStep): boolean {
  return present(training, 'the training of the step').loss.takesInputGradient;
}

/** A state, and a call that starts from it. */
interface Trial {
  readonly from: TrainingState;
  readonly call: TrainCall;
}

export interface RecordedStep {
  readonly train: RecordedCall;
  readonly infer: RecordedCall;
}

interface RecordedTrial extends Trial, RecordedStep {
  /** The eager step's results and the state after it. */
  readonly trail: StepTrail;
}

function recordTrial({ step, eager, inputShape, form }: TrainingTraceOptions, { from, call }: Trial): RecordedTrial {
  eager.writeParameters(from.parameters);
  eager.writeSlots(from.slots);
  const { images, size } = call.batch;
  const infer = recordAnswer({ step, images, size, inputShape, specs: [LOGITS_SPEC], frozen: false });
  const train = recordTrain(step, { feeds: trainFeeds(step, inputShape, call), form, place: placeOf(call.batch) });
  return { from, call, infer, train, trail: { results: train.results, ...stateOf(eager) } };
}

/** Another state, as stable: a copy of the state that the step keeps, or a number computed from the step count, shows as a difference. */
function otherState(step: TensorStep, { parameters, slots }: TrainingState): TrainingState {
  const elements = slotElements(step);
  const change = (value: number) => 0.98 * value + 1e-3;
  return { parameters: parameters.map(change), slots: slots.map((value, i) => (i < elements ? change(value) : value + 3)) };
}

/** Throws TraceRefusal when the trace does not do what the eager step did. */
function prove(trace: TrainingTrace, { from, call, infer, trail }: RecordedTrial, { form, step }: TrainingTraceOptions): void {
  const tolerance = PROOF_TOLERANCE[trace.precision];
  const { entries } = step.schema;
  const fault = refuseWhatFails(() => {
    trace.writeParameters(from.parameters);
    const logits = { results: { [LOGITS]: trace.infer(call.batch.images) } };
    const inInference = resultFault({ eager: infer, replay: logits, tolerance });
    return inInference ?? replayFault({ before: from, eager: trail, replay: trace.replayFrom(from, call), tolerance, entries });
  });
  if (fault !== null) throw new TraceRefusal(`${fault} (form ${form}, precision ${trace.precision})`);
}

function trainFeeds(step: TensorStep, inputShape: readonly number[], { batch, knobs }: TrainCall): Feeds {
  return { ...imageFeeds(batch.images, batch.size, inputShape), ...answerFeeds(batch, step.nextKnobs(knobs)) };
}

function stateOf(program: StepProgram): TrainingState {
  return { parameters: program.readParameters(), slots: program.readSlots() };
}

/** The number of elements of the slots, without the step count. */
function slotElements({ variables, schema }: TensorStep): number {
  return variables.slice(schema.entries.length).reduce((sum, { size }) => sum + size, 0);
}

/** A proven step of one batch size. Its state is the state written last, changed by the steps since. */
export class TrainingTrace {
  readonly #session: Session;
  readonly #step: TensorStep;
  readonly #inputShape: readonly number[];
  readonly #form: TrainingForm;
  /** B. */
  readonly size: number;
  readonly precision: Precision;
  readonly fp32Because: string | null;

  constructor(session: Session, { step, inputShape, form, call, precision }: TrainingTraceOptions) {
    this.#session = session;
    this.#step = step;
    this.#inputShape = inputShape;
    this.#form = form;
    this.size = call.batch.size;
    this.precision = precision;
    this.fp32Because = takesInputGradient(step) ? FROM_SMALL_DIFFERENCES : null;
  }

  /** Runs one whole step, and counts it where the optimiser counts. */
  train(call: TrainCall): StepReading {
    return tracedResult(this.#call(TRAIN, trainFeeds(this.#step, this.#inputShape, call)));
  }

  /** Runs the first half of a cut step. Returns the knowledge that the loss takes from the student, the logits first. */
  forward(images: Float32Array): Knowledge {
    const results = this.#call(FORWARD, imageFeeds(images, this.size, this.#inputShape));
    const { loss } = present(this.#step.training, 'the training of the step');
    return readKnowledge(results, this.size, this.#step.shapesOf(loss.student));
  }

  /** Runs the second half, after `forward`. Returns no logits, for `forward` gave them. */
  backward(answers: StepAnswerBatch, knobs: TrainCall['knobs']): Omit<StepReading, 'logits'> {
    return tracedLoss(this.#call(BACKWARD, answerFeeds(answers, this.#step.nextKnobs(knobs))));
  }

  /** Undoes `forward`, in place of `backward`: the state is what it was, and the values that waited for the second half are released. */
  undo(): void {
    this.#call(UNDO, {});
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

  /** The slots, with the step count where the optimiser counts. */
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

  /** Writes the slots. The optimiser keeps the step count: write it there too. */
  writeSlots(arena: Float32Array): void {
    this.#writeArena('slots', arena.subarray(0, slotElements(this.#step)));
  }

  /** Runs one step from a state, for the trace's proof. Counts from there; the optimiser's own slots are then those of `from`. */
  replayFrom(from: TrainingState, call: TrainCall): StepTrail {
    this.writeParameters(from.parameters);
    this.writeSlots(from.slots);
    present(this.#step.optimizer, 'optimiser').writeSlots(from.slots);
    const feeds = trainFeeds(this.#step, this.#inputShape, call);
    const parts = this.#form === 'whole' ? [TRAIN] : [FORWARD, BACKWARD];
    const results = Object.assign({}, ...parts.map((part) => this.#call(part, feeds))) as StepTrail['results'];
    return { results, parameters: this.readParameters(), slots: this.readSlots() };
  }

  close(): void {
    this.#session.close();
  }

  /** Ignores feeds that the signature has no input for. */
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

function tracedResult(results: Readonly<Record<string, NativeArray>>): StepReading {
  return { ...tracedLoss(results), logits: present(results[LOGITS], LOGITS) as Float32Array };
}

function tracedLoss(results: Readonly<Record<string, NativeArray>>): Omit<StepReading, 'logits'> {
  const numberOf = (name: string) => present(results[name]?.[0], name);
  const terms = Object.keys(results).filter((name) => name.startsWith(TERM));
  return { mean: numberOf(MEAN_LOSS), terms: Object.fromEntries(terms.map((name) => [name.slice(TERM.length), numberOf(name)])) };
}
