/** A student sends checkpoints and exports to the coordinator, which alone writes to the run's folder. */

import { type PeerName, spellPeer } from '../../src/config/peer.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ErrorCode } from '../../src/errors/table.js';
import { serialiseModel } from '../../src/nn/export.js';
import { arenaSchemaOf, writeArena } from '../../src/nn/weights.js';
import type { Replica } from '../../src/protocol/control.js';
import type { DataRequestBody } from '../../src/protocol/data.js';
import { describeState } from '../../src/protocol/state-name.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import type { ArenaSchema } from '../../src/tensor/arena.js';
import { splitState, stateToWire, withReplicaSlots } from '../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { EngineContext } from '../kit/context.js';
import { fetchSlots } from '../kit/fetch-state.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { CheckedState } from './state.js';

/** The most bytes of optimisers' states of other replicas in a checkpoint, which is one message. */
const REPLICA_BYTES_MAX = 512 * 2 ** 20;

export interface SaveOptions {
  /** The schema of the state's arena. */
  readonly schema: ArenaSchema;
  /** The column in which this student trained. */
  readonly column: number;
  /** The replicas whose optimiser's state goes into the checkpoint too. */
  readonly others: readonly Replica[];
}

/**
 * Sends the state, and with it the optimiser's state of the other replicas, as far as they hand it over in time. Throws
 * checkpoint.unwritable when it does not reach the disk.
 */
export async function saveState(context: EngineContext, saved: CheckedState, { schema, column, others }: SaveOptions): Promise<void> {
  const { term, incarnation } = context;
  const affordable = saved.slots.length === 0 ? 0 : Math.floor(REPLICA_BYTES_MAX / saved.slots.byteLength);
  const fetched = await Promise.all(
    others.slice(0, affordable).map(async (replica) => [replica.column, await slotsOf(context, saved, { schema, replica })] as const),
  );
  const byColumn = new Map([[column, saved.slots]]);
  for (const [other, slots] of fetched) if (slots !== null) byColumn.set(other, slots);
  const { state, hash, ranges } = saved;
  const body: PutBody = { type: 'checkpoint.put', term, incarnation, state, hash, schema: schema.model.hash, ranges: [...ranges] };
  const what = `the checkpoint of ${describeState(state)}`;
  await put(context, {
    what,
    code: 'checkpoint.unwritable',
    body,
    tensors: stateToWire(withReplicaSlots(splitState(saved, schema), byColumn)),
  });
}

/** The optimiser's state of another replica; null when it is not to be had in time: the checkpoint is whole without it. */
async function slotsOf(
  context: EngineContext,
  { state, hash, slots: own }: CheckedState,
  { schema, replica }: { readonly schema: ArenaSchema; readonly replica: Replica },
): Promise<Float32Array | null> {
  const untilMs = context.clock.nowMs() + DATA_TIMING.slotsMs;
  for (;;) {
    try {
      const slots = await fetchSlots(context, { state, hash, schema: schema.model.hash, replica });
      if (slots.length === own.length) return slots;
      throw new StillhouseError('protocol.invalid', `the optimiser there has ${slots.length} numbers, and not ${own.length}`);
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      // The order that it is to keep its state at hand may come later than this request.
      const isEarly = error instanceof RequestRefusal && error.reason === 'not-ready' && context.clock.nowMs() < untilMs;
      if (!isEarly) {
        context.logger.warn('slots.notFetched', { ...state, column: replica.column, from: replica.incarnation, error });
        return null;
      }
      await new Promise<void>((resolve) => void context.clock.after(DATA_TIMING.restMs, resolve));
    }
  }
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
