/**
 * The parameters that a round starts from: the student's own, the stage's initial ones (new, or those of another model), those of another student that holds
 * them, or those of a checkpoint, in this order.
 */

import { abortable } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Base } from '../../src/protocol/control.js';
import { describeState } from '../../src/protocol/state-name.js';
import { joinState } from '../../src/tensor/state-tensors.js';
import type { EngineContext } from '../kit/context.js';
import { type FetchedState, fetchCheckpoint, fetchFromHolder } from '../kit/fetch-state.js';
import type { StageModel } from '../kit/stage-model.js';
import { type CommittedState, hasSlotsFor, isBase } from './state.js';

export interface BaseStateOptions {
  readonly context: EngineContext;
  readonly model: StageModel;
  readonly base: Base;
  /** The column that trains on from it; null for other work. */
  readonly column: number | null;
  /** The state that the student holds. */
  readonly committed: CommittedState | null;
  readonly signal: AbortSignal;
}

/** The base of an assignment. Throws request.refused or checkpoint.damaged when no source hands it over, and model.invalid when it belongs to another model. */
export async function baseState(options: BaseStateOptions): Promise<CommittedState> {
  const { base, column, committed, signal } = options;
  if (isBase(committed, base) && hasSlotsFor(committed, column)) return committed;
  if (base.state.round === 0) return abortable(initialState(options), signal);
  const { found, slotsFor } = await abortable(fetchState(options), signal);
  const { state, hash, ranges, tensors } = found;
  const { parameters, slots } = joinState(tensors);
  return { state, hash, ranges, parameters, slots, slotsFor, isChecked: true };
}

/** The state of round 0, which is the same in every process: new parameters, or those of the model that the stage begins with. */
async function initialState({ context, model, base, signal }: BaseStateOptions): Promise<CommittedState> {
  const { initial, program } = model;
  const { state, init } = base;
  const parameters = init === null ? initial : initial.slice();
  if (init !== null) {
    const { hash: schema, size } = program.schema.model;
    const lengths = new Map([['parameters', size]]);
    const { tensors } = await fetchCheckpoint(context, { ...init, schema, lengths, signal }, null);
    parameters.set(present(tensors.get('parameters'), 'the parameters of a state'));
  }
  return { state, hash: null, ranges: [], parameters, slots: null, slotsFor: 'own', isChecked: false };
}

interface Found {
  readonly found: FetchedState;
  readonly slotsFor: CommittedState['slotsFor'];
}

async function fetchState({ context, model, base, column, signal }: BaseStateOptions): Promise<Found> {
  const { state, hash } = base;
  const { schema, slotCount } = model.program;
  const lengths = new Map([
    ['parameters', schema.model.size],
    ['adapters', schema.size - schema.model.size],
    ['slots', slotCount],
  ]);
  const wanted = { state, hash, schema: schema.model.hash, lengths, signal };
  let failure: StillhouseError | null = null;
  for (const { incarnation, endpoint } of base.sources) {
    if (incarnation === context.incarnation) continue;
    try {
      return { found: await fetchFromHolder(context, endpoint, wanted), slotsFor: 'own' };
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      context.logger.warn('base.notFetched', { ...state, from: endpoint, error });
      failure = error;
    }
  }
  if (!base.isStored) {
    if (failure?.code === 'model.invalid') throw failure;
    const why = failure?.message ?? 'nobody else is named who has them';
    throw new StillhouseError('request.refused', `the parameters of ${describeState(state)} are not to be had: ${why}`);
  }
  return { found: await fetchCheckpoint(context, wanted, column), slotsFor: column };
}
