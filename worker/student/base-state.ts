/**
 * The parameters that a round starts from: the student's own, the stage's initial ones, those of a peer that has them,
 * or those of a checkpoint; the first that serves.
 */

import { abortable } from '../../src/base/abortable.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { EngineContext } from '../kit/context.js';
import { type FetchedState, fetchCheckpoint, fetchFromPeer } from '../kit/fetch-state.js';
import type { StageModel } from '../kit/stage-model.js';
import { type CommittedState, isBase } from './state.js';

export interface BaseStateOptions {
  readonly context: EngineContext;
  readonly model: StageModel;
  readonly assign: CoordinatorMessageOf<'coordinator.assign'>;
  /** What the student holds. */
  readonly committed: CommittedState | null;
  readonly signal: AbortSignal;
}

/** The base of the assignment. Throws request.refused or checkpoint.damaged when nobody hands it over, model.invalid when it is of another model. */
export async function baseState(options: BaseStateOptions): Promise<CommittedState> {
  const { model, assign, committed, signal } = options;
  const { stage, base } = assign;
  if (isBase(committed, stage, base)) return committed;
  if (base.round === 0) return initialState(model);
  const fetched = await abortable(fetchState(options), signal);
  if (fetched.slots.length !== model.program.slotCount) {
    throw new StillhouseError(
      'protocol.invalid',
      `stage ${stage}: ${fetched.slots.length} optimiser slots, not ${model.program.slotCount}`,
    );
  }
  return { stage, ...fetched };
}

/** The same in every process. */
function initialState({ name, program, initial }: StageModel): CommittedState {
  program.resetSlots();
  return { stage: name, round: 0, hash: null, ranges: [], parameters: initial, slots: program.readSlots() };
}

async function fetchState({ context, model, assign }: BaseStateOptions): Promise<FetchedState> {
  const { stage, base } = assign;
  const name = { stage, round: base.round, hash: base.hash, schema: model.program.schema.hash };
  let failure: StillhouseError | null = null;
  for (const endpoint of base.sources) {
    try {
      if (base.hash !== null) return await fetchFromPeer(context, endpoint, { ...name, hash: base.hash });
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      context.logger.warn('base.notFetched', { stage, round: base.round, from: endpoint, error });
      failure = error;
    }
  }
  if (base.checkpoint === null) {
    if (failure?.code === 'model.invalid') throw failure;
    const why = failure?.message ?? 'nobody is named who has them';
    throw new StillhouseError('request.refused', `stage ${stage}: the parameters of round ${base.round} are not to be had: ${why}`);
  }
  return fetchCheckpoint(context, base.checkpoint, name);
}
