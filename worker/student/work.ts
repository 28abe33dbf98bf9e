/** The kinds of work in an assignment, each from the base to the report. To add one: a function here, a case in student.ts. */

import { abortable } from '../../src/base/abortable.js';
import { isTaughtStage } from '../../src/config/stage-kinds.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf, TeacherAddress, Work } from '../../src/protocol/control.js';
import { PeerRefusal } from '../../src/rpc/peer-refusal.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import type { EngineContext, ReportBody } from '../kit/context.js';
import { floatTensor } from '../kit/fetch-state.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { SampleView } from '../kit/view.js';
import { planBatches } from './batch-plan.js';
import { evaluateRows } from './evaluate.js';
import { KnowledgeStream } from './knowledge-stream.js';
import { exportModel } from './saving.js';
import type { TeacherLinks } from './teacher-links.js';
import { trainRanges } from './training.js';

export interface WorkJob {
  readonly context: EngineContext;
  /** The model of the assignment's stage. Its program holds the base. */
  readonly model: StageModel;
  readonly assign: CoordinatorMessageOf<'coordinator.assign'>;
  readonly signal: AbortSignal;
  /** Aborted: training is to end with the step under way. */
  readonly conclude: AbortSignal;
}

type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;
export type TrainedReport = Extract<ReportBody, { type: 'worker.trained' }>;

/** Trains the ranges, or less when it is concluded. The caller sends the report, once it holds what was trained. */
export async function trainWork(job: WorkJob, { ranges, roundSamples }: WorkOf<'train'>, links: TeacherLinks): Promise<TrainedReport> {
  const { context, model, assign, signal, conclude } = job;
  const { round } = assign;
  const startMs = context.clock.nowMs();
  const split = await abortable(context.splits.get(model.stage.on), signal);
  const batches = planBatches({ ranges, size: split.count, batch: model.stage.batch, seed: context.recipe.seed });
  const targets = isTaughtStage(model.stage) ? openTargets(job, batches, links) : null;
  links.follow(targets);
  try {
    const committed = assign.base.committed;
    const rest = { split, batches, targets, committed, roundSamples };
    const { samples, lossSum, correct, waits } = await trainRanges({ context, model, round, ranges, signal, conclude, ...rest });
    const trainMs = context.clock.nowMs() - startMs;
    context.logger.info('round.trained', {
      stage: model.name,
      round,
      step: batches.length,
      samples,
      loss: lossSum / samples,
      trainMs,
      waits,
    });
    return { type: 'worker.trained', round, samples, lossSum, correct, trainMs };
  } finally {
    links.follow(null);
    targets?.close();
  }
}

/** Tests the rows and reports worker.evaluated. Throws training.notFinite when the loss is not a number. */
export async function evaluateWork({ context, model, assign, signal }: WorkJob, work: WorkOf<'evaluate'>): Promise<void> {
  const { start, end } = work;
  const split = await abortable(context.splits.get(work.split), signal);
  const result = await evaluateRows({ context, model, split, start, end, signal });
  if (!Number.isFinite(result.lossSum)) {
    const { count } = await context.splits.get(model.stage.on);
    const where = `stage ${model.name}, round ${assign.round}, epoch ${Math.ceil(assign.base.committed / count)}`;
    throw new StillhouseError('training.notFinite', `${where}: the loss on rows ${start} to ${end} of ${work.split} is ${result.lossSum}`);
  }
  context.report({ type: 'worker.evaluated', round: assign.round, ...result, parameters: model.program.schema.size });
}

/** Puts the model to the coordinator, which sees by itself when it is there. */
export async function exportWork({ context, model, signal }: WorkJob): Promise<void> {
  await abortable(exportModel(context, model), signal);
}

function openTargets({ context, model, assign }: WorkJob, views: readonly SampleView[], links: TeacherLinks): KnowledgeStream {
  const { round } = assign;
  const { stage } = assign.base.state;
  const ask = (teacher: TeacherAddress, view: SampleView) => {
    return askTeacher({ context, model, stage, round, step: views.indexOf(view) + 1 }, teacher, view);
  };
  return new KnowledgeStream({ views, teachers: links.of(stage), clock: context.clock, timing: DATA_TIMING, ask });
}

/** The use of soft targets. */
interface TargetUse {
  readonly context: EngineContext;
  readonly model: StageModel;
  readonly stage: string;
  readonly round: number;
  /** The step of the round, from 1. */
  readonly step: number;
}

/** Logits [B, K] of a view from one teacher. Throws as Connections.request does; training.notFinite when they are not. */
async function askTeacher(
  { context, model, stage, round, step }: TargetUse,
  teacher: TeacherAddress,
  { epoch, samples }: SampleView,
): Promise<Float32Array> {
  const peer = teacher.endpoint;
  const body = { type: 'targets.get', term: context.term, stage, epoch } as const;
  const tensors = [{ name: 'samples', dtype: 'int32', shape: [samples.length], data: samples }] as const;
  const notFinite = (what: string) => new StillhouseError('training.notFinite', `stage ${stage}, epoch ${epoch}: ${what}`, { peer });
  try {
    const answer = await context.peers.request(peer, { body, tensors, deadlineMs: DATA_TIMING.targetsMs });
    const logits = floatTensor(answer.tensors, 'logits');
    if (logits?.length === samples.length * model.classes && answer.header.stage === stage) {
      if (!isFiniteArena(logits)) throw notFinite('the teacher sent soft targets that are not finite');
      return logits;
    }
    throw new StillhouseError('protocol.invalid', `stage ${stage}: the soft targets have not the shape that was asked for`, { peer });
  } catch (error) {
    context.logger.warn('targets.failed', { stage, round, step, epoch, teacher: teacher.incarnation, error });
    if (error instanceof PeerRefusal && error.reason === 'not-finite') throw notFinite(error.message);
    throw error;
  }
}
