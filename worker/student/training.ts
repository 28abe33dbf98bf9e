/**
 * Training one's own ranges of a round, step by step, from the base. Between two steps the event loop has its turn, so
 * that peers are answered and the work can be called off.
 */

import { abortable, nextTurn } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import type { RoundId } from '../../src/base/ids.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { rateAt } from '../../src/optim/schedule.js';
import type { Range } from '../../src/protocol/field.js';
import type { StepKnobs } from '../../src/step/step-program.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import type { EngineContext } from '../kit/context.js';
import type { StageModel } from '../kit/stage-model.js';
import { type SampleView, trainingView } from '../kit/view.js';
import type { KnowledgeStream } from './knowledge-stream.js';
import { type CommittedState, type TrainedArena, trainedArena } from './state.js';

export interface TrainOptions {
  readonly context: EngineContext;
  readonly model: StageModel;
  readonly split: SampleSource;
  readonly base: CommittedState;
  readonly round: RoundId;
  readonly ranges: readonly Range[];
  /** The steps of the ranges (planBatches). */
  readonly batches: readonly SampleView[];
  /** The teacher's knowledge of the batches, in order; null in a stage without another side. */
  readonly knowledge: KnowledgeStream | null;
  /** Samples of the stage committed before the round, and of all members in it. */
  readonly committed: number;
  readonly roundSamples: number;
  readonly signal: AbortSignal;
}

export interface TrainResult {
  readonly trained: TrainedArena;
  readonly lossSum: number;
  readonly correct: number;
  /** Steps whose pixels were not ready. */
  readonly waits: number;
}

/** Throws training.notFinite, and the signal's reason when it is called off: the program then holds half a round. */
export async function trainRanges(options: TrainOptions): Promise<TrainResult> {
  const { context, model, split, base, round, ranges, batches } = options;
  const { program } = model;
  const requests = batches.map(({ epoch, samples }) => ({ split, view: trainingView(context.recipe, model.stage, epoch), samples }));
  const loader = context.loaders.for(split);
  const waitsBefore = loader.waits;
  const stream = new BatchStream(loader, requests);
  try {
    program.writeParameters(base.parameters);
    program.writeSlots(base.slots);
    const sums = await trainSteps(options, stream);
    const parameters = program.readParameters();
    const slots = program.readSlots();
    if (!isFiniteArena(parameters) || !isFiniteArena(slots)) throw notFinite(options, `after step ${batches.length} a parameter is`);
    return { trained: trainedArena({ base, round, ranges, parameters, slots }), ...sums, waits: loader.waits - waitsBefore };
  } finally {
    stream.close();
  }
}

async function trainSteps(options: TrainOptions, stream: BatchStream): Promise<Pick<TrainResult, 'lossSum' | 'correct'>> {
  const { context, model, batches, knowledge, signal } = options;
  let lossSum = 0;
  let correct = 0;
  let done = 0;
  for (const [index, { samples }] of batches.entries()) {
    const size = samples.length;
    const other = knowledge === null ? [] : await abortable(knowledge.next(), signal);
    const { images, labels } = await stream.next();
    const knobs = knobsAt(options, done);
    const batch = { size, images, labels: { classes: labels, mixed: null }, other };
    const { result } = context.meter.measure(size, () => model.program.step(batch, knobs));
    if (!result.finite) throw notFinite(options, `the loss of step ${index + 1} of ${batches.length} is ${result.lossSum}`);
    lossSum += result.lossSum;
    correct += result.correct;
    done += size;
    await nextTurn(signal);
  }
  return { lossSum, correct };
}

/** The knobs when this student has trained `done` of its samples, and the others as great a share of theirs. */
function knobsAt({ model, split, ranges, committed, roundSamples }: TrainOptions, done: number): StepKnobs {
  const { stage } = model;
  const samples = committed + (done * roundSamples) / totalOf(ranges);
  const moment = { epoch: samples / split.count, epochs: stage.epochs };
  const { plan } = present(model.training, 'the training of the stage').loss;
  return { rate: rateAt(stage, { samples, samplesPerEpoch: split.count }), loss: lossKnobsAt(plan, moment) };
}

function notFinite({ model, round }: TrainOptions, what: string): StillhouseError {
  return new StillhouseError('training.notFinite', `stage ${model.name}, round ${round}: ${what} not finite`, {
    hint: 'A lower learning rate, or warm-up, usually helps',
  });
}
