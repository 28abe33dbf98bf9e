/**
 * Training one's own ranges of a round, step by step, from the base. Between two steps the event loop has its turn, so
 * that requests are answered and the work can be cancelled.
 */

import { abortable, nextTurn } from '../../src/base/abortable.js';
import type { RoundId } from '../../src/base/ids.js';
import type { PeerName } from '../../src/config/peer.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { takeRanges, totalOf } from '../../src/data/shard-plan.js';
import { knobsOfLoss } from '../../src/losses/stage-loss.js';
import { rateAt } from '../../src/optim/schedule.js';
import type { Range } from '../../src/protocol/field.js';
import { batchSamples } from '../../src/step/batch-samples.js';
import type { StepBatch, StepKnobs, StepProgram, StepResult } from '../../src/step/step-program.js';
import type { EngineContext } from '../kit/context.js';
import { blankStep, type MemoryWork, memoryFault } from '../kit/memory-fault.js';
import type { TrainingModel } from '../kit/stage-model.js';
import { labelsOf, type SampleView, trainingView } from '../kit/view.js';
import type { StepExchange } from './cell-exchange.js';
import type { ExchangeUse } from './exchange-use.js';
import type { KnowledgeSource } from './knowledge-source.js';
import { StepNotFinite } from './not-finite.js';

export interface TrainOptions {
  readonly context: EngineContext;
  readonly model: TrainingModel;
  /** The stage and the peer that is trained. */
  readonly peer: PeerName;
  readonly split: SampleSource;
  readonly round: RoundId;
  readonly ranges: readonly Range[];
  /** The steps of the ranges (planBatches). */
  readonly batches: readonly SampleView[];
  /** The teacher's knowledge of the batches, in order; null in a stage without a teacher. */
  readonly knowledge: KnowledgeSource | null;
  /** The exchange with other cells within each step, and its use; null where there is none. */
  readonly exchange: CellsInStep | null;
  /** Whether to measure the gradient of each part of the loss at the last step. */
  readonly measures: boolean;
  /** Samples of the stage committed before the round, and of all members in it. */
  readonly committed: number;
  readonly roundSamples: number;
  readonly signal: AbortSignal;
  /** When it is aborted, no further step begins; one that waits for the teacher has not begun. */
  readonly conclude: AbortSignal;
}

/** The other cells of the column, or of the row, that make the steps with this one. */
export interface CellsInStep {
  readonly cells: StepExchange;
  readonly use: ExchangeUse;
}

export interface TrainResult {
  /** The number of samples trained: all of the ranges, or after a conclusion a part of them, from the front. */
  readonly samples: number;
  readonly steps: number;
  readonly lossSum: number;
  /** The parts of the loss by key, summed. */
  readonly terms: Readonly<Record<string, number>>;
  /** The length of each part's gradient at the last step; empty where none was measured. */
  readonly gradients: Readonly<Record<string, number>>;
  readonly sameAsTeacher: number | null;
  readonly correct: number;
  /** The samples of the last step. */
  readonly lastStep: readonly Range[];
  /** The number of steps whose pixels were not ready. */
  readonly waits: number;
}

/**
 * Trains on from the state that the program holds. Throws StepNotFinite, and the signal's reason when it is cancelled; the
 * program then holds the result of half a round.
 */
export async function trainRanges(options: TrainOptions): Promise<TrainResult> {
  const { context, model, split, batches } = options;
  const requests = batches.map(({ epoch, samples }) => ({ split, view: trainingView(context.recipe, model.stage, epoch), samples }));
  const loader = context.loaders.for(split);
  const waitsBefore = loader.waits;
  const stream = new BatchStream(loader, requests);
  try {
    return { ...(await trainSteps(options, stream)), waits: loader.waits - waitsBefore };
  } finally {
    stream.close();
  }
}

async function trainSteps(options: TrainOptions, stream: BatchStream): Promise<Omit<TrainResult, 'waits'>> {
  const { context, model, round, ranges, batches, exchange, signal, conclude } = options;
  const end = exchange?.cells.endSignal(conclude) ?? conclude;
  let lossSum = 0;
  let correct = 0;
  let terms: Readonly<Record<string, number>> = {};
  let gradients: Readonly<Record<string, number>> = {};
  let sameAsTeacher: number | null = null;
  let done = 0;
  let steps = 0;
  let lastStep: readonly Range[] | null = null;
  for (const [index, { epoch, samples }] of batches.entries()) {
    const size = samples.length;
    const coming = nextInputs(options, stream, end);
    // The draws take milliseconds: they are made while the inputs are on their way.
    const numbered = batchSamples(model.training, { seed: context.recipe.seed, epoch }, samples);
    const inputs = await coming;
    if (inputs === null) break;
    const { images, other } = inputs;
    const batch = {
      size,
      images,
      labels: labelsOf(options.split, trainingView(context.recipe, model.stage, epoch), samples),
      other,
      ...numbered,
    };
    const measures = options.measures && index === batches.length - 1;
    const order = { step: index + 1, batch, measures, knobsAt: (answered?: readonly boolean[]) => knobsAt(options, done, answered) };
    const made = await makeStep(options, order).catch((error: unknown) => {
      throw memoryFault(context, error, workOf(options, order));
    });
    if (made === null) break;
    const { result } = made;
    const own = positionsAt(ranges, done, size);
    if (!result.finite) {
      const what = `the loss of step ${index + 1} of ${batches.length} is ${result.lossSum},`;
      // Where the logits are not finite either, the step before has ruined the parameters.
      throw new StepNotFinite(`stage ${model.name}, round ${round}`, what, result.finiteLogits ? own : lastStep);
    }
    lastStep = own;
    lossSum += result.lossSum;
    correct += result.correct;
    terms = addTerms(terms, result.terms);
    gradients = made.gradients;
    sameAsTeacher = result.sameAsTeacher === null ? null : (sameAsTeacher ?? 0) + result.sameAsTeacher;
    done += size;
    steps += 1;
    await nextTurn(signal);
  }
  return { samples: done, steps, lossSum, terms, gradients, sameAsTeacher, correct, lastStep: lastStep ?? [] };
}

function addTerms(sums: Readonly<Record<string, number>>, terms: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(terms).map(([key, term]) => [key, (sums[key] ?? 0) + term]));
}

/** A step, for the error where memory runs out. With another batch the gathered one is as many times as large. */
function workOf({ model, peer, exchange }: TrainOptions, { step, batch: { size } }: StepOrder): MemoryWork {
  const others = exchange?.use.placeAt(step)?.others ?? 0;
  const tryBatch = (other: number) =>
    blankStep(model, other, { isInHalves: exchange !== null, others: Math.ceil((others / size) * other) });
  return { task: 'train', peer, computing: peer, model, size, others, tryBatch };
}

interface StepOrder {
  /** From 1. */
  readonly step: number;
  readonly batch: StepBatch;
  /** Whether to measure the gradients of the loss's parts before the step. */
  readonly measures: boolean;
  /** The knobs of the step when these other cells of the column have answered; all of them when it is left out. */
  knobsAt(answered?: readonly boolean[]): StepKnobs;
}

/**
 * Makes one update. With other cells, knowledge is exchanged between its two halves; null: the exchange has ended before this step, and
 * the program has made its first half in vain.
 */
async function makeStep({ context, model, exchange, signal }: TrainOptions, order: StepOrder): Promise<StepMade | null> {
  const { program } = model;
  const { step, batch, measures, knobsAt } = order;
  const { size, images, labels, other: fromTeacher, samples } = batch;
  if (exchange === null) {
    const gradients = measures ? measureGradients(program, batch, knobsAt().loss) : {};
    return { gradients, result: context.meter.measure(size, () => program.step(batch, knobsAt())).result };
  }
  const { cells, use } = exchange;
  const before = measures ? program.readParameters() : null;
  const { result: student } = context.meter.measure(size, () => program.forward(images, size, use.placeAt(step)));
  const own = { student, fromTeacher, labels };
  const taken = await cells.exchange(use.given(own)).catch((error: unknown) => {
    program.abandon();
    throw error;
  });
  if (taken === null || signal.aborted) program.abandon();
  signal.throwIfAborted();
  if (taken === null) return null;
  const answers = { ...use.answersAt(step, own, taken), samples };
  const knobs = knobsAt(taken.map((answer) => answer !== null));
  const result = context.meter.measure(0, () => program.backward(answers, knobs)).result;
  const gradients = before === null ? {} : measureBefore(program, before, { batch: { size, images, ...answers }, loss: knobs.loss });
  return { result, gradients };
}

interface MeasuredStep {
  readonly batch: StepBatch;
  readonly loss: StepKnobs['loss'];
}

/** The lengths of the gradients at the parameters before the step, as without an exchange: measuring would have dropped its open half. */
function measureBefore(program: StepProgram, before: Float32Array, { batch, loss }: MeasuredStep): StepMade['gradients'] {
  const after = program.readParameters();
  program.writeParameters(before);
  const gradients = measureGradients(program, batch, loss);
  program.writeParameters(after);
  return gradients;
}

interface StepMade {
  readonly result: StepResult;
  /** Empty where they were not measured. */
  readonly gradients: Readonly<Record<string, number>>;
}

/** The lengths of the gradients; none where one is not finite, which the loss of this step or of the next one tells. */
function measureGradients(program: StepProgram, batch: StepBatch, loss: StepKnobs['loss']): StepMade['gradients'] {
  const lengths = program.gradientLengths(batch, loss);
  return Object.values(lengths).every(Number.isFinite) ? lengths : {};
}

/** The positions of `count` samples of the ranges, after the first `done`. */
function positionsAt(ranges: readonly Range[], done: number, count: number): readonly Range[] {
  return takeRanges(takeRanges(ranges, done).rest, count).taken;
}

/** The inputs of the next step; null when the round has ended before it. */
async function nextInputs({ knowledge, exchange, signal }: TrainOptions, stream: BatchStream, end: AbortSignal) {
  try {
    end.throwIfAborted();
    const other = knowledge === null ? [] : await abortable(abortable(knowledge.next(), signal), end);
    return { other, ...(await abortable(stream.next(), signal)) };
  } catch (error) {
    if (!end.aborted || error !== end.reason) throw error;
    exchange?.cells.end();
    return null;
  }
}

/** The knobs when this student has trained `done` of its samples, and the others an equal share of theirs. */
function knobsAt({ model, split, ranges, committed, roundSamples }: TrainOptions, done: number, answered?: readonly boolean[]): StepKnobs {
  const { stage } = model;
  const samples = committed + (done * roundSamples) / totalOf(ranges);
  const moment = { epoch: samples / split.count, epochs: stage.epochs };
  const { loss } = model.training;
  return { rate: rateAt(stage, { samples, samplesPerEpoch: split.count }), loss: knobsOfLoss(loss, moment, answered) };
}
