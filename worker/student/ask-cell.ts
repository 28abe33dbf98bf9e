/** One request to another cell for its knowledge of a step: a message for each part that cells give. */

import { present } from '../../src/base/assert.js';
import type { RoundId } from '../../src/base/ids.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ColumnCell } from '../../src/protocol/control.js';
import type { Knowledge } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import { knowledgeFromWire } from '../kit/knowledge-wire.js';
import type { GivenPart } from './given-part.js';

/** A cell with which this one exchanges. */
export interface ExchangeCell extends ColumnCell {
  /** The number of samples of each of its steps. */
  readonly sizes: readonly number[];
}

/** The round of which steps are asked about, and what is asked of each cell. */
export interface StepAsking {
  readonly context: Pick<EngineContext, 'term' | 'connections'>;
  readonly stage: string;
  readonly round: RoundId;
  /** The tensors that each cell gives to every other one, part by part. */
  readonly parts: readonly GivenPart[];
  /** Whether the knowledge travels in float16. */
  readonly half: boolean;
}

/** The step that is asked about, from 1, and the time for the answer. */
export interface StepQuestion {
  readonly step: number;
  readonly deadlineMs: number;
}

/** The tensors of all parts of the step. Throws as Connections.request does, and protocol.invalid for an answer about something else. */
export async function askCell(options: StepAsking, cell: ExchangeCell, question: StepQuestion): Promise<Knowledge> {
  const size = present(cell.sizes[question.step - 1], 'the size of the step');
  return (await Promise.all(options.parts.map((part) => askPart(options, part, { ...question, cell, size })))).flat();
}

interface CellQuestion extends StepQuestion {
  readonly cell: ExchangeCell;
  /** The samples of the step. */
  readonly size: number;
}

async function askPart(
  { context, stage, round, half }: StepAsking,
  { side, specs, shapes }: GivenPart,
  { cell, step, size, deadlineMs }: CellQuestion,
): Promise<Knowledge> {
  const about = { of: 'step', peer: cell.peer, round, step, side } as const;
  const body = { type: 'knowledge.get' as const, term: context.term, stage, about, specs: [...specs], half };
  const { header, tensors } = await context.connections.request(cell.endpoint, { body, deadlineMs });
  if (header.stage !== stage) {
    throw new StillhouseError('protocol.invalid', `the answer is about stage ${header.stage}, not ${stage}`, { address: cell.endpoint });
  }
  return knowledgeFromWire(
    tensors,
    shapes.map((shape) => [size, ...shape]),
  );
}
