/** Fetches committed parameters from another student's memory or from the coordinator's disk. Every answer is checked before it is used. */

import { type PeerName, spellPeer } from '../../src/config/peer.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Replica } from '../../src/protocol/control.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { Range } from '../../src/protocol/field.js';
import { describeState, isSameState, type StateName } from '../../src/protocol/state-name.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import { type ElementRange, layoutProblem } from '../../src/tensor/state-parts.js';
import { firstNotFinite, hashState, type StateTensors } from '../../src/tensor/state-tensors.js';
import type { EngineContext } from './context.js';
import { fetchParts } from './fetch-parts.js';
import { DATA_TIMING } from './timing.js';

/** The state that is asked for. */
export interface WantedState {
  readonly state: StateName;
  /** The hash of the state; null when it is not known yet. */
  readonly hash: string | null;
  /** The hash of the arena's schema. */
  readonly schema: string;
  /** Ends the fetch before its next part; the reason is thrown then. */
  readonly signal?: AbortSignal;
}

/** The state of the optimiser of another replica of a state. */
export interface WantedSlots extends WantedState {
  readonly hash: string;
  readonly replica: Replica;
}

/** A state with the samples that it contains. The caller owns the tensors. */
export interface FetchedState {
  readonly state: StateName;
  readonly hash: string;
  readonly ranges: readonly Range[];
  readonly tensors: StateTensors;
}

/**
 * Fetches a state from a student that holds it in memory. Throws as Connections.request does, protocol.invalid when the answer
 * is not this state, and model.invalid when the state belongs to another model than the one here.
 */
export async function fetchFromHolder(context: EngineContext, endpoint: string, wanted: WantedState): Promise<FetchedState> {
  const { state, hash } = wanted;
  const deadlineMs = DATA_TIMING.stateMs;
  const found = await fetchWhole(context, { wanted, from: endpoint }, (part) => {
    const body = { type: 'state.get', term: context.term, state, hash, ...part } as const;
    return context.connections.request(endpoint, { body, deadlineMs });
  });
  const damage = damageOf(found, hash);
  if (damage !== null) throw wrong(wanted, damage, endpoint);
  return found;
}

/** Fetches the optimiser's state of another replica of the state. Throws as `fetchFromHolder` does. */
export async function fetchSlots(context: EngineContext, { state, hash, schema, replica }: WantedSlots): Promise<Float32Array> {
  const { endpoint } = replica;
  const { term, connections } = context;
  const deadlineMs = DATA_TIMING.slotsMs;
  const { tensors } = await fetchParts({
    elements: context.partElements,
    ask: (part) => connections.request(endpoint, { body: { type: 'slots.get', term, state, hash, ...part }, deadlineMs }),
    check(header) {
      if (!isSameState(header.state, state) || header.hash !== hash) throw wrong({ state }, 'the answer is about another state', endpoint);
      if (header.schema !== schema) throw otherModel({ state, hash, schema }, header.schema);
    },
    wrong: (what) => wrong({ state }, what, endpoint),
  });
  const slots = tensors.get('slots');
  if (tensors.size !== 1 || slots === undefined || firstNotFinite(tensors) !== null) {
    throw wrong({ state }, 'the answer is not the state of an optimiser', endpoint);
  }
  return slots;
}

/**
 * Fetches a state from the coordinator's disk, for the replica of this column (null: for none). Throws checkpoint.damaged when another request would give the same (an older
 * checkpoint may serve), and model.invalid when the state belongs to another model than the one here.
 */
export async function fetchCheckpoint(context: EngineContext, wanted: WantedState, column: number | null): Promise<FetchedState> {
  const { state, hash } = wanted;
  const { dataEndpoint, connections } = context;
  const deadlineMs = DATA_TIMING.checkpointMs;
  const found = await fetchWhole(context, { wanted, from: dataEndpoint }, (part) => {
    const body = { type: 'checkpoint.get', state, column, ...part } as const;
    return connections.request(dataEndpoint, { body, deadlineMs }).catch(throwDamage(describeState(state)));
  });
  const damage = damageOf(found, hash);
  if (damage !== null) throw damaged(describeState(state), damage);
  return found;
}

/** Fetches the layers of a model (src/tensor/topology.ts) from the coordinator's disk. Throws checkpoint.damaged when another request would give the same. */
export async function fetchTopology({ connections, dataEndpoint }: EngineContext, { stage, peer }: PeerName): Promise<Uint8Array> {
  const body = { type: 'topology.get', stage, peer } as const;
  const name = spellPeer({ stage, peer });
  const asked = connections.request(dataEndpoint, { body, deadlineMs: DATA_TIMING.checkpointMs });
  const { tensors } = await asked.catch(throwDamage(name));
  const bytes = tensors.length === 1 ? tensors[0]?.data : undefined;
  if (bytes instanceof Uint8Array) return bytes;
  throw new StillhouseError('protocol.invalid', `the answer has no layers of the model ${name}`, { address: dataEndpoint });
}

/** Throws what a request has thrown; as damage of the checkpoint of `name` where the coordinator does not have it whole. */
function throwDamage(name: string): (error: unknown) => never {
  return (error) => {
    const isDamage = error instanceof RequestRefusal && (error.reason === 'missing' || error.reason === 'failed');
    throw isDamage ? damaged(name, error.said, error) : error;
  };
}

function damaged(name: string, what: string, cause?: unknown): StillhouseError {
  return new StillhouseError('checkpoint.damaged', `the checkpoint of ${name}: ${what}`, { cause });
}

/** The state that a place hands over, not yet compared with its hash. Throws unless it is the wanted one, of this model. */
async function fetchWhole(
  { partElements }: EngineContext,
  { wanted, from }: { readonly wanted: WantedState; readonly from: string },
  ask: (part: ElementRange) => Promise<DataMessage<DataAnswerOf<'state.answer'>>>,
): Promise<FetchedState> {
  const { header, tensors } = await fetchParts({
    elements: partElements,
    signal: wanted.signal,
    ask,
    check({ state, schema, layout }) {
      if (!isSameState(state, wanted.state)) throw wrong(wanted, `the answer is about ${describeState(state)}`, from);
      if (schema !== wanted.schema) throw otherModel(wanted, schema);
      const problem = layoutProblem(layout);
      if (problem !== null) throw wrong(wanted, problem, from);
    },
    wrong: (what) => wrong(wanted, what, from),
  });
  return { state: header.state, hash: header.hash, ranges: header.ranges, tensors };
}

/** Says what is wrong with the parameters; null when nothing is. `hash` is the expected hash, where it is known. */
function damageOf(found: FetchedState, hash: string | null): string | null {
  if (hashState(found.tensors) !== found.hash || (hash !== null && hash !== found.hash)) return 'the parameters do not match their hash';
  const culprit = firstNotFinite(found.tensors);
  return culprit === null ? null : `the tensor ${culprit} is not finite`;
}

function wrong({ state }: Pick<WantedState, 'state'>, what: string, address: string): StillhouseError {
  return new StillhouseError('protocol.invalid', `${describeState(state)}: ${what}`, { address });
}

function otherModel({ state, schema }: WantedState, theirs: string): StillhouseError {
  const begin = (hash: string) => hash.slice(0, 12);
  const what = `the model here has the schema ${begin(schema)}, the parameters were made with ${begin(theirs)}`;
  return new StillhouseError('model.invalid', `${describeState(state)}: ${what}`, {
    hint: 'The model has changed since then, differs between machines, or is another than the one that the stage begins with (init): put it back as it was, or begin a new run',
  });
}
