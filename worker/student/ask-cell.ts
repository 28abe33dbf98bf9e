/** One request to another cell for its knowledge of a step: a message for each part that cells give. */

import { present } from '../../src/base/assert.js';
import type { RoundId } from '../../src/base/ids.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ColumnCell } from '../../src/protocol/control.js';
import type { Knowledge } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import { knowledgeFromWire } from '../kit/knowledge-wire.js';
import { DATA_TIMING } from '../kit/timing.js';
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

/** The tensors of all parts of the step, from 1. Throws as Connections.request does, and protocol.invalid for an answer about something else. */
export async function askCell(options: StepAsking, cell: ExchangeCell, step: number): Promise<Knowledge> {
  const size = present(cell.sizes[step - 1], 'the size of the step');
  return (await Promise.all(options.parts.map((part) => askPart(options, part, { cell, step, size })))).flat();
}

async function askPart(
  { context, stage, round, half }: StepAsking,
  { side, specs, shapes }: GivenPart,
  { cell, step, size }: { readonly cell: ExchangeCell; readonly step: number; readonly size: number },
): Promise<Knowledge> {
  const about = { of: 'step', peer: cell.peer, round, step, side } as const;
  const body = { type: 'knowledge.get' as const, term: context.term, stage, about, specs: [...specs], half };
  const { header, tensors } = await context.connections.request(cell.endpoint, { body, deadlineMs: DATA_TIMING.stepMs });
  if (header.stage !== stage) {
    throw new StillhouseError('protocol.invalid', `the answer is about stage ${header.stage}, not ${stage}`, { address: cell.endpoint });
  }
  return knowledgeFromWire(
    tensors,
    shapes.map((shape) => [size, ...shape]),
  );
}
