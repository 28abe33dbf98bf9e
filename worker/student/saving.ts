/** A student sends checkpoints to the coordinator, which alone writes to the run's folder. */

import { putToWire } from '../../src/checkpoint/checkpoint-wire.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Replica } from '../../src/protocol/control.js';
import { describeState } from '../../src/protocol/state-name.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import type { ArenaSchema } from '../../src/tensor/arena.js';
import { layoutOf, partsOf } from '../../src/tensor/state-parts.js';
import { splitState, withReplicaSlots } from '../../src/tensor/state-tensors.js';
import type { EngineContext } from '../kit/context.js';
import { fetchSlots } from '../kit/fetch-state.js';
import type { StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { CheckedState } from './state.js';

/** The most bytes of optimisers' states of other replicas that this student holds for a checkpoint. */
const REPLICA_BYTES_MAX = 512 * 2 ** 20;

export interface SaveOptions {
  /** The model whose state it is. */
  readonly model: Pick<StageModel, 'program' | 'topology'>;
  /** The column in which this student trained. */
  readonly column: number;
  /** The replicas whose optimiser's state goes into the checkpoint too. */
  readonly others: readonly Replica[];
}

/**
 * Sends the state with the topology of its model, and with it the optimiser's state of the other replicas, as far as they hand it over in
 * time. Throws checkpoint.unwritable when it does not reach the disk.
 */
export async function saveState(context: EngineContext, saved: CheckedState, { model, column, others }: SaveOptions): Promise<void> {
  const { schema } = model.program;
  const { term, incarnation, connections, dataEndpoint, logger } = context;
  const affordable = saved.slots.length === 0 ? 0 : Math.floor(REPLICA_BYTES_MAX / saved.slots.byteLength);
  const fetched = await Promise.all(
    others.slice(0, affordable).map(async (replica) => [replica.column, await slotsOf(context, saved, { schema, replica })] as const),
  );
  const byColumn = new Map([[column, saved.slots]]);
  for (const [other, slots] of fetched) if (slots !== null) byColumn.set(other, slots);
  const { state, hash, ranges } = saved;
  const body = { type: 'checkpoint.put' as const, term, incarnation, state, hash, schema: schema.model.hash, ranges: [...ranges] };
  const content = { tensors: withReplicaSlots(splitState(saved, schema), byColumn), topology: model.topology };
  const layout = layoutOf(content.tensors);
  const what = `the checkpoint of ${describeState(state)}`;
  try {
    for (const { start, end } of partsOf(layout, context.partElements)) {
      const tensors = putToWire(content, { start, end });
      await connections.request(dataEndpoint, { body: { ...body, layout, start }, tensors, deadlineMs: DATA_TIMING.storeMs });
    }
    logger.info('state.stored', { what });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw new StillhouseError('checkpoint.unwritable', `${what} was not stored: ${error.message}`, { cause: error });
  }
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
      return await fetchSlots(context, { state, hash, schema: schema.model.hash, replica, length: own.length, untilMs });
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
