/** The kinds of work in an assignment, each from the base to the report. To add one: a function here, a case in student.ts. */

import { abortable } from '../../src/base/abortable.js';
import { assert } from '../../src/base/assert.js';
import { columnBatch } from '../../src/config/batch.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { sideFrom } from '../../src/losses/stage-loss.js';
import type { CoordinatorMessageOf, RowCell, Work } from '../../src/protocol/control.js';
import type { EngineContext, ReportBody } from '../kit/context.js';
import { asTrainingModel, type StageModel, type TrainingModel } from '../kit/stage-model.js';
import { labelsOf, type SampleView, trainingView } from '../kit/view.js';
import type { ExchangeCell } from './ask-cell.js';
import { planBatches } from './batch-plan.js';
import type { CellExchange, ExchangeOptions, StepExchange } from './cell-exchange.js';
import { evaluateRows } from './evaluate.js';
import { columnUse, logitsPart, rowUse } from './exchange-use.js';
import type { TeacherLinks } from './teacher-links.js';
import { openTeachers } from './teacher-source.js';
import { type CellsInStep, trainRanges } from './training.js';

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
  readonly column: CellExchange;
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
  { column: index, replicas, ranges, roundSamples, others, row, measures }: WorkOf<'train'>,
  { links, column }: OtherSides,
): Promise<TrainedWork> {
  const { context, assign, signal, conclude } = job;
  const model = asTrainingModel(job.model);
  const { stage } = model;
  const { round } = assign;
  const startMs = context.clock.nowMs();
  const split = await abortable(context.splits.get(stage.on), signal);
  const planOf = (column: number, own: WorkOf<'train'>['ranges']) => {
    const batch = columnBatch(stage.batch, { column, columns: replicas });
    return planBatches({ ranges: own, size: split.count, batch, seed: context.recipe.seed });
  };
  const batches = planOf(index, ranges);
  const { loss } = model.training;
  const fromTeacher = sideFrom(loss, 'teacher');
  const knowledge =
    fromTeacher === null ? null : openTeachers({ context, model, assign }, { views: batches, specs: fromTeacher.specs }, links);
  const how = { column, onLate: stage.onLate ?? 'wait', half: stage.wire === 'half' } as const;
  const sizes = sizesOf(batches);
  const exchange = exchangeOf(job, how, {
    column: others.map((cell) => ({ ...cell, sizes })),
    row: row.map((cell) => ({ cell, isBefore: cell.column < index, batches: planOf(cell.column, cell.ranges) })),
    model,
    split,
    steps: sizes.length,
  });
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
        : { waitedMs: exchange.cells.waitedMs, waitedMsPerStep: exchange.cells.waitedMs / Math.max(1, steps), late: exchange.cells.late }),
    });
    const waits = { waitedMs: exchange?.cells.waitedMs ?? 0, late: { ...exchange?.cells.late } };
    return { report: { type: 'worker.trained', round, samples, lossSum, ...figures, trainMs, ...waits }, lastStep: [...lastStep] };
  } finally {
    knowledge?.close();
    exchange?.cells.close();
  }
}

/** The other cells of a column and of a row. At most one of the lists has any. */
interface OtherCells {
  readonly column: readonly ExchangeCell[];
  /** The other replicas, in the order of the columns; `isBefore`: their column comes before the own one. */
  readonly row: readonly { readonly cell: RowCell; readonly isBefore: boolean; readonly batches: readonly SampleView[] }[];
  readonly model: TrainingModel;
  readonly split: SampleSource;
  readonly steps: number;
}

/** Opens the exchange within the steps of a round, and says its use; null without other cells. */
function exchangeOf(job: WorkJob, how: HowToExchange, { column, row, model, split, steps }: OtherCells): CellsInStep | null {
  const { peer } = job.assign.base.state;
  const { loss } = model.training;
  assert(row.length === 0 || column.length === 0, 'cells of a column and of a row in one exchange');
  if (row.length === 0 && column.length === 0) return null;
  const labels = ({ epoch, samples }: SampleView) => labelsOf(split, trainingView(job.context.recipe, model.stage, epoch), samples);
  const members = row.map(({ isBefore, batches }) => ({ isBefore, labels: batches.map(labels) }));
  const use = row.length > 0 ? rowUse(model.training, members) : columnUse(loss, model.classes);
  const replicas = row.map(({ cell: { incarnation, endpoint }, batches }) => ({ peer, incarnation, endpoint, sizes: sizesOf(batches) }));
  return { cells: openExchange(job, how, { others: [...column, ...replicas], parts: use.parts, steps }), use };
}

function sizesOf(batches: readonly SampleView[]): readonly number[] {
  return batches.map(({ samples }) => samples.length);
}

type HowToExchange = Pick<OtherSides, 'column'> & Pick<ExchangeOptions, 'onLate' | 'half'>;

function openExchange(
  { context, assign, signal }: WorkJob,
  { column, ...how }: HowToExchange,
  cells: Pick<ExchangeOptions, 'others' | 'parts' | 'steps'>,
): StepExchange {
  const { base, round } = assign;
  return column.open({ context, stage: base.state.stage, peer: base.state.peer, round, ...cells, ...how, signal });
}

/** Tests the rows and reports worker.evaluated. Throws training.notFinite when the loss is not finite. */
export async function evaluateWork(job: WorkJob, work: WorkOf<'evaluate'>, { column }: Pick<OtherSides, 'column'>): Promise<void> {
  const { context, model, assign, signal } = job;
  const { start, end, others } = work;
  const split = await abortable(context.splits.get(work.split), signal);
  // Agreement is measured on both models' logits as they are.
  const how = { column, onLate: null, half: false };
  const exchange =
    others.length === 0
      ? null
      : (sizes: readonly number[]) => {
          const cells = { others: others.map((cell) => ({ ...cell, sizes })), parts: [logitsPart(model.classes)], steps: sizes.length };
          return openExchange(job, how, cells);
        };
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
