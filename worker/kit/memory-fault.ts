/**
 * Work for which memory ran out becomes an error that says so, with the largest batch that fits. That batch is searched for in the same
 * process, right after the fault: a refused allocation leaves the engine as it was.
 *
 * The search trains on blank images, so the state in the program is no longer that of any round.
 */

import { present } from '../../src/base/assert.js';
import { modelLabel, type PeerName } from '../../src/config/peer.js';
import { isOutOfMemory } from '../../src/engines/out-of-memory.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { knobsOfLoss } from '../../src/losses/stage-loss.js';
import { batchKnowledge } from '../../src/step/batch-knowledge.js';
import { someSamples } from '../../src/step/batch-samples.js';
import { memoryLimit } from '../../src/system/memory-limit.js';
import { type KnowledgeSpec, type KnowledgeTensor, type RowShape, viewShape } from '../../src/tensor/knowledge.js';
import { sizeOf } from '../../src/tensor/tensor.js';
import { largestFit, nextBatch, type TriedBatch } from './batch-search.js';
import type { EngineContext } from './context.js';
import { describeNeed, type MemoryNeed } from './memory-need.js';
import type { StageModel, TrainingModel } from './stage-model.js';

/** The work under way. */
export interface MemoryWork {
  readonly task: MemoryNeed['task'];
  /** The stage of which the batch is. */
  readonly peer: PeerName;
  /** The model that computes: that of the peer, or one that teaches its stage. */
  readonly computing: PeerName;
  readonly model: StageModel;
  /** The images of the batch. */
  readonly size: number;
  /** The images of other students in its gathered batch; none by default. */
  readonly others?: number | undefined;
  /** Carries the same work out with a blank batch of another size. */
  tryBatch(size: number): void;
}

/** The error to throw in place of `error`: it names the work and the largest batch that fits when memory ran out, and is `error` itself otherwise. */
export function memoryFault(context: EngineContext, error: unknown, work: MemoryWork): unknown {
  if (!isOutOfMemory(error)) return error;
  const need = needOf(context, work);
  context.logger.warn('memory.full', { ...need, error });
  const tried = search(context, need, work);
  context.logger.info('memory.searched', { tried });
  return new StillhouseError('engine.outOfMemory', describeNeed(need, largestFit(tried)), { cause: error });
}

function needOf({ compute, memory, recipe }: EngineContext, { task, peer, computing, size, others = 0 }: MemoryWork): MemoryNeed {
  const limitBytes = memory === null ? memoryLimit() : memory.limitBytes;
  return {
    task,
    peer,
    model: modelLabel(recipe, computing) ?? computing.stage,
    size,
    others,
    engine: compute.engine,
    limitBytes,
    isOwnLimit: memory?.isOwnLimit ?? false,
  };
}

function search(context: EngineContext, { size: failed, limitBytes }: MemoryNeed, { tryBatch }: MemoryWork): readonly TriedBatch[] {
  // Batches of other sizes take other times.
  context.meter.forgetTimes();
  context.showProgress();
  const tried: TriedBatch[] = [];
  const limit = context.memory === null || limitBytes === null ? null : limitBytes - context.memory.reserveBytes;
  for (let size = nextBatch({ failed, limitBytes: limit, tried }); size !== null; size = nextBatch({ failed, limitBytes: limit, tried })) {
    tried.push(tryOne(context, size, tryBatch));
    context.showProgress();
  }
  return tried;
}

function tryOne({ memory }: EngineContext, size: number, tryBatch: MemoryWork['tryBatch']): TriedBatch {
  const run = () => tryBatch(size);
  try {
    if (memory !== null) return { size, fits: true, peakBytes: memory.peakOf(run) };
    run();
    return { size, fits: true, peakBytes: null };
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return { size, fits: false, peakBytes: null };
  }
}

/** The form of a step that exchanges knowledge. */
export interface StepForm {
  /** Whether it is made in halves. Then it keeps as much between them as a step that exchanges knowledge there. */
  readonly isInHalves: boolean;
  /** The samples of other students in its gathered batch; 0 where it has none. */
  readonly others: number;
}

/** Makes one update of a blank batch. */
export function blankStep({ model, training, program, stage }: TrainingModel, size: number, { isInHalves, others }: StepForm): void {
  const { loss, otherShapes, gatheredShapes } = training;
  const zeros = (rows: number) => (shape: RowShape) => blankTensor(viewShape(shape, rows));
  const labels = (rows: number) => ({ classes: new Int32Array(rows), mixed: null });
  const rest = gatheredShapes && {
    ...{ before: 0, labels: labels(others) },
    student: gatheredShapes.student.map(zeros(others)),
    other: gatheredShapes.other.map(zeros(others)),
  };
  const answers = {
    labels: labels(size),
    other: otherShapes.map(zeros(size)),
    ...someSamples(training, size),
    ...(others === 0 ? {} : { rest }),
  };
  const knobs = { rate: 0, loss: knobsOfLoss(loss, { epoch: 0, epochs: stage.epochs }) };
  const images = blankImages(model, size);
  if (isInHalves) {
    program.forward(images, size, others === 0 ? undefined : { before: 0, others });
    program.backward(answers, knobs);
  } else program.step({ size, images, ...answers }, knobs);
}

/** Answers about a blank batch. */
export function blankAnswer({ model, program }: StageModel, size: number, specs: readonly KnowledgeSpec[]): void {
  batchKnowledge(program, { images: blankImages(model, size), labels: new Int32Array(size) }, specs);
}

function blankTensor(shape: readonly number[]): KnowledgeTensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}

function blankImages(model: StageModel['model'], size: number): Float32Array {
  const shape = present(model.inputs[0], 'the input of the model').shape.slice(1);
  return new Float32Array(size * sizeOf(shape.map((axis) => present(axis, 'an axis of the images'))));
}
