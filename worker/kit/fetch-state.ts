/** Fetches committed parameters from another student's memory or from the coordinator's disk. Every answer is checked before it is used. */

import { present } from '../../src/base/assert.js';
import { type PeerName, spellPeer } from '../../src/config/peer.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Replica } from '../../src/protocol/control.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { Range } from '../../src/protocol/field.js';
import { describeState, isSameState, type StateName } from '../../src/protocol/state-name.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import { type ElementRange, layoutProblem, type StateLayout } from '../../src/tensor/state-parts.js';
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
  /** The number of elements of each tensor whose length is known here; 0: there may be no such tensor. */
  readonly lengths: ReadonlyMap<string, number>;
  /** Ends the fetch before its next part; the reason is thrown then. */
  readonly signal?: AbortSignal;
}

/** The state of the optimiser of another replica of a state. */
export interface WantedSlots extends Pick<WantedState, 'state' | 'schema'> {
  readonly hash: string;
  readonly replica: Replica;
  /** Its number of elements. */
  readonly length: number;
  /** The time of the clock at which the last part must be here. */
  readonly untilMs: number;
}

/** The services that a fetch needs. */
export type FetchContext = Pick<EngineContext, 'term' | 'dataEndpoint' | 'connections' | 'clock' | 'partElements'>;

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
export async function fetchFromHolder(context: FetchContext, endpoint: string, wanted: WantedState): Promise<FetchedState> {
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

/** Fetches the optimiser's state of another replica of the state. Throws as `fetchFromHolder` does, and transport.deadline when a part is missing at its time. */
export async function fetchSlots(context: FetchContext, wanted: WantedSlots): Promise<Float32Array> {
  const { state, hash, schema, replica, length, untilMs } = wanted;
  const { endpoint } = replica;
  const { term, connections, clock } = context;
  const { tensors } = await fetchParts({
    elements: context.partElements,
    ask(part) {
      const deadlineMs = untilMs - clock.nowMs();
      if (deadlineMs > 0) return connections.request(endpoint, { body: { type: 'slots.get', term, state, hash, ...part }, deadlineMs });
      const what = `the optimiser's state of ${describeState(state)} is not here in time, from the element ${part.start} on`;
      throw new StillhouseError('transport.deadline', what, { address: endpoint });
    },
    check(header) {
      if (!isSameState(header.state, state) || header.hash !== hash) throw wrong({ state }, 'the answer is about another state', endpoint);
      if (header.schema !== schema) throw otherModel({ state, schema }, header.schema);
      const [own, ...others] = header.layout;
      const isOwn = others.length === 0 && own?.name === 'slots' && own.size === length;
      if (!isOwn) throw wrong({ state }, `the answer is not the state of an optimiser of ${length} numbers`, endpoint);
    },
    wrong: (what) => wrong({ state }, what, endpoint),
  });
  if (firstNotFinite(tensors) !== null) throw wrong({ state }, "the optimiser's state is not finite", endpoint);
  return present(tensors.get('slots'), 'the slots');
}

/**
 * Fetches a state from the coordinator's disk, for the replica of this column (null: for none). Throws checkpoint.damaged when another request would give the same (an older
 * checkpoint may serve), and model.invalid when the state belongs to another model than the one here.
 */
export async function fetchCheckpoint(context: FetchContext, wanted: WantedState, column: number | null): Promise<FetchedState> {
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
export async function fetchTopology({ connections, dataEndpoint }: FetchContext, { stage, peer }: PeerName): Promise<Uint8Array> {
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
  { partElements }: FetchContext,
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
      requireLengths(wanted, layout);
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

/** Throws model.invalid unless each tensor is as long as it is here. */
function requireLengths({ state, lengths }: WantedState, layout: StateLayout): void {
  const theirs = new Map(layout.map(({ name, size }) => [name, size]));
  const others = [...lengths].filter(([name, length]) => (theirs.get(name) ?? 0) !== length);
  if (others.length === 0) return;
  const spelt = others.map(([name, length]) => `${theirs.get(name) ?? 0} elements of ${name}, and not ${length}`).join('; ');
  throw new StillhouseError('model.invalid', `${describeState(state)} has ${spelt}`, {
    hint: 'The model, the adapters of a loss or the optimiser have changed since then: put them back as they were, or begin a new run',
  });
}

function otherModel({ state, schema }: Pick<WantedState, 'state' | 'schema'>, theirs: string): StillhouseError {
  const begin = (hash: string) => hash.slice(0, 12);
  const what = `the model here has the schema ${begin(schema)}, the parameters were made with ${begin(theirs)}`;
  return new StillhouseError('model.invalid', `${describeState(state)}: ${what}`, {
    hint: 'The model has changed since then, differs between machines, or is another than the one that the stage begins with (init): put it back as it was, or begin a new run',
  });
}
