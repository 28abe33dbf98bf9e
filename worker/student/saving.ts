/** A student sends checkpoints and exports to the coordinator, which alone writes to the run's folder. */

import { putToWire } from '../../src/checkpoint/checkpoint-wire.js';
import { type PeerName, spellPeer } from '../../src/config/peer.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ErrorCode } from '../../src/errors/table.js';
import { serialiseModel } from '../../src/nn/export.js';
import { arenaSchemaOf, writeArena } from '../../src/nn/weights.js';
import type { DataRequestBody } from '../../src/protocol/data.js';
import { describeState } from '../../src/protocol/state-name.js';
import { splitState } from '../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { EngineContext } from '../kit/context.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { CheckedState } from './state.js';

/** Sends the state, with the topology of its model. Throws checkpoint.unwritable when it does not reach the disk. */
export async function saveState(context: EngineContext, saved: CheckedState, { program, topology }: StageModel): Promise<void> {
  const { schema } = program;
  const { term, incarnation } = context;
  const { state, hash, ranges } = saved;
  const body: PutBody = { type: 'checkpoint.put', term, incarnation, state, hash, schema: schema.model.hash, ranges: [...ranges] };
  const what = `the checkpoint of ${describeState(state)}`;
  await put(context, { what, code: 'checkpoint.unwritable', body, tensors: putToWire({ tensors: splitState(saved, schema), topology }) });
}

/** Puts the model with the parameters that its program holds, as files that stock tfjs opens. Throws run.unwritable when they are not on disk. */
export async function exportModel(context: EngineContext, { model, program }: StageModel, { stage, peer }: PeerName): Promise<void> {
  const { term, incarnation } = context;
  // The model's own variables are old while the session of a graph has the parameters. Adapters are not the model's.
  writeArena(model, arenaSchemaOf(model), program.readParameters().subarray(0, program.schema.model.size));
  const files = await serialiseModel(model);
  const tensors = files.map(({ name, bytes }): WireTensor => ({ name, dtype: 'uint8', shape: [bytes.length], data: bytes }));
  const body: PutBody = { type: 'artifact.put', term, incarnation, stage, peer };
  await put(context, { what: `the export of the model ${spellPeer({ stage, peer })}`, code: 'run.unwritable', body, tensors });
}

type PutBody = Extract<DataRequestBody, { type: 'checkpoint.put' | 'artifact.put' }>;

interface Put {
  /** The name of the thing, for messages. */
  readonly what: string;
  /** The code of the error when the thing is not stored. */
  readonly code: ErrorCode;
  readonly body: PutBody;
  readonly tensors: readonly WireTensor[];
}

async function put(context: EngineContext, { what, code, body, tensors }: Put): Promise<void> {
  try {
    await context.connections.request(context.dataEndpoint, { body, tensors, deadlineMs: DATA_TIMING.storeMs });
    context.logger.info('state.stored', { what });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw new StillhouseError(code, `${what} was not stored: ${error.message}`, { cause: error });
  }
}
