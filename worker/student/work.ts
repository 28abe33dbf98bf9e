/** The kinds of work in an assignment, each from the base to the report. To add one: a function here, a case in student.ts. */

import { abortable } from '../../src/base/abortable.js';
import { columnBatch } from '../../src/config/batch.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { sideFrom } from '../../src/losses/stage-loss.js';
import type { ColumnCell, CoordinatorMessageOf, Work } from '../../src/protocol/control.js';
import type { EngineContext, ReportBody } from '../kit/context.js';
import { asTrainingModel, type StageModel } from '../kit/stage-model.js';
import { planBatches } from './batch-plan.js';
import type { ColumnExchange, ExchangeOptions } from './column-exchange.js';
import { evaluateRows } from './evaluate.js';
import type { TeacherLinks } from './teacher-links.js';
import { openTeachers } from './teacher-source.js';
import { trainRanges } from './training.js';

export interface WorkJob {
  readonly context: EngineContext;
  /** The model of the assignment's stage. Its program holds the base. */
  readonly model: StageModel;
  readonly assign: CoordinatorMessageOf<'coordinator.assign'>;
  readonly signal: AbortSignal;
  /** When it is aborted, training begins no further step. */
  readonly conclude: AbortSignal;
}

/** The ways to the other side of a loss: teachers, and the other cells of the column. */
export interface OtherSides {
  readonly links: TeacherLinks;
  readonly column: ColumnExchange;
}

type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;
export type TrainedReport = Extract<ReportBody, { type: 'worker.trained' }>;

/** The result of the work of a round. */
export interface TrainedWork {
  readonly report: TrainedReport;
  /** The samples of the last step. */
  readonly lastStep: WorkOf<'train'>['ranges'];
}

/** Trains the ranges, or fewer samples when it is concluded. The caller sends the report, once it holds the trained state. Throws StepNotFinite. */
export async function trainWork(
  job: WorkJob,
  { column: index, replicas, ranges, roundSamples, others, measures }: WorkOf<'train'>,
  { links, column }: OtherSides,
): Promise<TrainedWork> {
  const { context, assign, signal, conclude } = job;
  const model = asTrainingModel(job.model);
  const { stage } = model;
  const { round } = assign;
  const startMs = context.clock.nowMs();
  const split = await abortable(context.splits.get(stage.on), signal);
  const batch = columnBatch(stage.batch, { column: index, columns: replicas });
  const batches = planBatches({ ranges, size: split.count, batch, seed: context.recipe.seed });
  const { loss } = model.training;
  const fromTeacher = sideFrom(loss, 'teacher');
  const knowledge =
    fromTeacher === null ? null : openTeachers({ context, model, assign }, { views: batches, specs: fromTeacher.specs }, links);
  const half = stage.wire === 'half';
  const open = exchangeWith(job, others, { column, onLate: stage.onLate ?? 'wait', half });
  const exchange = open?.(batches.map(({ samples }) => samples.length)) ?? null;
  try {
    const committed = assign.base.committed;
    const rest = { split, batches, knowledge, exchange, measures, committed, roundSamples };
    const {
      samples,
      steps,
      lossSum,
      waits: loadWaits,
      lastStep,
      ...figures
    } = await trainRanges({ context, model, peer: assign.base.state, round, ranges, signal, conclude, ...rest });
    const trainMs = context.clock.nowMs() - startMs;
    context.logger.info('round.trained', {
      stage: model.name,
      round,
      step: steps,
      samples,
      loss: samples === 0 ? null : lossSum / samples,
      trainMs,
      waits: loadWaits,
      ...(exchange === null
        ? {}
        : { waitedMs: exchange.waitedMs, waitedMsPerStep: exchange.waitedMs / Math.max(1, steps), late: exchange.late }),
    });
    const waits = { waitedMs: exchange?.waitedMs ?? 0, late: { ...exchange?.late } };
    return { report: { type: 'worker.trained', round, samples, lossSum, ...figures, trainMs, ...waits }, lastStep: [...lastStep] };
  } finally {
    knowledge?.close();
    exchange?.close();
  }
}

/** Opens the exchange with the other cells of the column, given the sizes of its steps; null without other cells. */
function exchangeWith(
  { context, model, assign, signal }: WorkJob,
  others: readonly ColumnCell[],
  { column, ...how }: Pick<OtherSides, 'column'> & Pick<ExchangeOptions, 'onLate' | 'half'>,
) {
  if (others.length === 0) return null;
  const { base, round } = assign;
  const fixed = { context, stage: base.state.stage, peer: base.state.peer, round, others, ...how, signal };
  return (sizes: readonly number[]) => column.open({ ...fixed, sizes, shapes: [[model.classes]] });
}

/** Tests the rows and reports worker.evaluated. Throws training.notFinite when the loss is not finite. */
export async function evaluateWork(job: WorkJob, work: WorkOf<'evaluate'>, { column }: Pick<OtherSides, 'column'>): Promise<void> {
  const { context, model, assign, signal } = job;
  const { start, end, others } = work;
  const split = await abortable(context.splits.get(work.split), signal);
  // Agreement is measured on both models' logits as they are.
  const exchange = exchangeWith(job, others, { column, onLate: null, half: false });
  const { agreed, ...result } = await evaluateRows({ context, model, peer: assign.base.state, split, start, end, exchange, signal });
  if (!Number.isFinite(result.lossSum)) {
    const trained = model.stage === null ? null : await context.splits.get(model.stage.on);
    const epoch = trained === null ? '' : `, epoch ${Math.ceil(assign.base.committed / trained.count)}`;
    const where = `stage ${model.name}, round ${assign.round}${epoch}`;
    throw new StillhouseError('training.notFinite', `${where}: the loss on rows ${start} to ${end} of ${work.split} is ${result.lossSum}`);
  }
  const agreedWith = Object.fromEntries(others.map(({ peer }, i) => [peer, agreed[i] ?? 0]));
  const parameters = model.program.schema.model.size;
  context.report({ type: 'worker.evaluated', round: assign.round, ...result, agreed: agreedWith, parameters });
}
