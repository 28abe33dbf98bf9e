/** A student sends checkpoints to the coordinator, which alone writes to the run's folder. */

import { putToWire } from '../../src/checkpoint/checkpoint-wire.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { describeState } from '../../src/protocol/state-name.js';
import { splitState } from '../../src/tensor/state-tensors.js';
import type { EngineContext } from '../kit/context.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { CheckedState } from './state.js';

/** Sends the state, with the topology of its model. Throws checkpoint.unwritable when it does not reach the disk. */
export async function saveState(context: EngineContext, saved: CheckedState, { program, topology }: StageModel): Promise<void> {
  const { schema } = program;
  const { term, incarnation, connections, dataEndpoint, logger } = context;
  const { state, hash, ranges } = saved;
  const body = { type: 'checkpoint.put' as const, term, incarnation, state, hash, schema: schema.model.hash, ranges: [...ranges] };
  const tensors = putToWire({ tensors: splitState(saved, schema), topology });
  const what = `the checkpoint of ${describeState(state)}`;
  try {
    await connections.request(dataEndpoint, { body, tensors, deadlineMs: DATA_TIMING.storeMs });
    logger.info('state.stored', { what });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw new StillhouseError('checkpoint.unwritable', `${what} was not stored: ${error.message}`, { cause: error });
  }
}
