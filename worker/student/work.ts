/** The kinds of work in an assignment, each from the base to the report. To add one: a function here, a case in student.ts. */

import { abortable } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf, TeacherAddress, Work } from '../../src/protocol/control.js';
import type { EngineContext, ReportBody } from '../kit/context.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { SampleView } from '../kit/view.js';
import { askTeacher } from './ask-teacher.js';
import { planBatches } from './batch-plan.js';
import { evaluateRows } from './evaluate.js';
import { KnowledgeStream } from './knowledge-stream.js';
import { exportModel } from './saving.js';
import type { CommittedState, TrainedArena } from './state.js';
import type { TeacherLinks } from './teacher-links.js';
import { trainRanges } from './training.js';

export interface WorkJob {
  readonly context: EngineContext;
  /** Of the assignment's stage. Its parameters are whatever the last job left. */
  readonly model: StageModel;
  /** What the work starts from. */
  readonly base: CommittedState;
  readonly assign: CoordinatorMessageOf<'coordinator.assign'>;
  readonly signal: AbortSignal;
}

type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;

/** Trains the ranges. The caller sends the report once it holds the arena: from then on peers may ask for it. */
export async function trainWork(
  { context, model, base, assign, signal }: WorkJob,
  { ranges, roundSamples }: WorkOf<'train'>,
  links: TeacherLinks,
): Promise<{ readonly trained: TrainedArena; readonly report: ReportBody }> {
  const { round } = assign;
  const startMs = context.clock.nowMs();
  const split = await abortable(context.splits.get(model.stage.on), signal);
  const batches = planBatches({ ranges, size: split.count, batch: model.stage.batch, seed: context.recipe.seed });
  const asks = present(model.training, 'the training of the stage').loss.other.length > 0;
  const knowledge = asks ? openKnowledge({ context, model, base, assign, signal }, batches, links) : null;
  links.follow(knowledge);
  try {
    const committed = assign.base.committed;
    const rest = { split, batches, knowledge, committed, roundSamples };
    const { trained, lossSum, correct, waits } = await trainRanges({ context, model, base, round, ranges, signal, ...rest });
    const trainMs = context.clock.nowMs() - startMs;
    const { samples } = trained;
    context.logger.info('round.trained', {
      stage: model.name,
      round,
      step: batches.length,
      samples,
      loss: lossSum / samples,
      trainMs,
      waits,
    });
    return { trained, report: { type: 'worker.trained', round, samples, lossSum, correct, trainMs } };
  } finally {
    links.follow(null);
    knowledge?.close();
  }
}

/** Tests the rows and reports worker.evaluated. Throws training.notFinite when the loss is not a number. */
export async function evaluateWork({ context, model, base, assign, signal }: WorkJob, work: WorkOf<'evaluate'>): Promise<void> {
  const { start, end } = work;
  const split = await abortable(context.splits.get(work.split), signal);
  model.program.writeParameters(base.parameters);
  const result = await evaluateRows({ context, model, split, start, end, signal });
  if (!Number.isFinite(result.lossSum)) {
    const { count } = await context.splits.get(model.stage.on);
    const where = `stage ${model.name}, round ${assign.round}, epoch ${Math.ceil(assign.base.committed / count)}`;
    throw new StillhouseError('training.notFinite', `${where}: the loss on rows ${start} to ${end} of ${work.split} is ${result.lossSum}`);
  }
  context.report({ type: 'worker.evaluated', round: assign.round, ...result, parameters: model.program.schema.model.size });
}

/** Puts the model to the coordinator, which sees by itself when it is there. */
export async function exportWork({ context, model, base, signal }: WorkJob): Promise<void> {
  model.program.writeParameters(base.parameters);
  await abortable(exportModel(context, model), signal);
}

function openKnowledge({ context, model, assign }: WorkJob, views: readonly SampleView[], links: TeacherLinks): KnowledgeStream {
  const { stage, round } = assign;
  const { loss, otherShapes } = present(model.training, 'the training of the stage');
  const wanted = { specs: loss.other, shapes: otherShapes, half: model.stage.kind === 'distil' && model.stage.wire === 'half' };
  const ask = (teacher: TeacherAddress, view: SampleView) => {
    return askTeacher({ context, stage, round, step: views.indexOf(view) + 1, wanted }, teacher, view);
  };
  return new KnowledgeStream({ views, teachers: links.of(stage), clock: context.clock, timing: DATA_TIMING, ask });
}
