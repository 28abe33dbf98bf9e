/** One request to a teacher for the knowledge of a view, as the stage's loss takes it, and the meaning of its refusals. */

import { LIMITS } from '../../src/base/limits.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { EngineAddress } from '../../src/protocol/control.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import { type Knowledge, type KnowledgeSpec, type RowShape, viewShape } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import { beyondHalf, knowledgeFromWire } from '../kit/knowledge-wire.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { SampleView } from '../kit/view.js';

/** The knowledge that a stage's loss takes from its teacher. */
export interface WantedKnowledge {
  readonly specs: readonly KnowledgeSpec[];
  /** The shapes of the tensors, without the batch. */
  readonly shapes: readonly RowShape[];
  /** Whether the knowledge travels in float16. */
  readonly half: boolean;
}

/** The purpose of a request for knowledge. */
export interface KnowledgeUse {
  readonly context: Pick<EngineContext, 'term' | 'connections' | 'logger'>;
  readonly stage: string;
  readonly round: number;
  /** The step of the round, from 1. */
  readonly step: number;
  readonly wanted: WantedKnowledge;
}

/**
 * The knowledge of a view from one teacher, in as many requests as its specs need. Throws as Connections.request does. A refusal
 * that every teacher of this model would give again is an error that cannot be retried: numbers that are not finite or do not
 * fit float16, and a layer or a reduction that the teacher does not have.
 */
export async function askTeacher(use: KnowledgeUse, teacher: EngineAddress, view: SampleView): Promise<Knowledge> {
  const { specs, shapes, half } = use.wanted;
  const starts = Array.from({ length: Math.ceil(specs.length / LIMITS.specs) }, (_, i) => i * LIMITS.specs);
  const parts = starts.map((start) => {
    const end = start + LIMITS.specs;
    return { specs: specs.slice(start, end), shapes: shapes.slice(start, end), half };
  });
  try {
    return (await Promise.all(parts.map((wanted) => askPart({ ...use, wanted }, teacher, view)))).flat();
  } catch (error) {
    const { context, stage, round, step } = use;
    const where = { stage, round, step, epoch: view.epoch, teacher: teacher.incarnation };
    context.logger.warn('knowledge.failed', { ...where, error });
    throw error instanceof RequestRefusal ? refusedKnowledge(error, stage, `epoch ${view.epoch}`) : error;
  }
}

async function askPart(
  { context, stage, wanted }: KnowledgeUse,
  teacher: EngineAddress,
  { epoch, samples }: SampleView,
): Promise<Knowledge> {
  const { specs, shapes, half } = wanted;
  const what = { about: { of: 'view' as const, epoch }, specs: [...specs], half };
  const body = { type: 'knowledge.get' as const, term: context.term, stage, ...what };
  const tensors = [{ name: 'samples', dtype: 'int32', shape: [samples.length], data: samples }] as const;
  const address = teacher.endpoint;
  const answer = await context.connections.request(address, { body, tensors, deadlineMs: DATA_TIMING.knowledgeMs });
  if (answer.header.stage !== stage) {
    throw new StillhouseError('protocol.invalid', `the answer is about stage ${answer.header.stage}, not ${stage}`, { address });
  }
  return knowledgeFromWire(
    answer.tensors,
    shapes.map((shape) => viewShape(shape, samples.length)),
  );
}

/**
 * The error of a refusal to give knowledge. A refusal that would always come again is an error of the run; any other is the
 * error of this request alone, and returned as it is.
 */
export function refusedKnowledge(refusal: RequestRefusal, stage: string, where: string): StillhouseError {
  const message = `stage ${stage}, ${where}: ${refusal.message}`;
  switch (refusal.reason) {
    case 'not-finite':
      return new StillhouseError('training.notFinite', message, { cause: refusal });
    case 'beyond-half':
      return beyondHalf(stage, message, { cause: refusal });
    case 'unknown-tap':
      return new StillhouseError('recipe.invalid', message, { cause: refusal });
    default:
      return refusal;
  }
}
