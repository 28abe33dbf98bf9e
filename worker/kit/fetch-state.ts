/** Committed parameters from elsewhere: a peer's memory, or the coordinator's disk. Nothing is taken that does not check out. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { Range } from '../../src/protocol/field.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import { hashArena } from '../../src/tensor/arena-hash.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { EngineContext } from './context.js';
import { DATA_TIMING } from './timing.js';

/** What the parameters are to be. */
export interface StateName {
  readonly stage: string;
  readonly round: number;
  /** Of the parameters; null when only the checkpoint names them. */
  readonly hash: string | null;
  /** Of the arena's schema. */
  readonly schema: string;
}

/** Parameters and optimiser slots after a round, with the samples they contain. The arrays are the receiver's. */
export interface FetchedState {
  readonly round: number;
  readonly hash: string;
  readonly ranges: readonly Range[];
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

/**
 * From a peer that holds it in memory. Throws as Connections.request does, protocol.invalid when it is something else, and
 * model.invalid when it is of another model than the one here.
 */
export async function fetchFromPeer(context: EngineContext, endpoint: string, name: StateName & { hash: string }): Promise<FetchedState> {
  const { stage, round, hash } = name;
  const body = { type: 'state.get', term: context.term, stage, round, hash } as const;
  const state = stateOf(await context.peers.request(endpoint, { body, deadlineMs: DATA_TIMING.stateMs }), name, endpoint);
  const damage = damageOf(state, name.hash);
  if (damage !== null) throw wrong(name, damage, endpoint);
  return state;
}

/**
 * From the coordinator's disk; `round` is null where the checkpoint's name is all that is known. Throws
 * checkpoint.damaged when asking again would give the same (an older checkpoint may serve), and model.invalid when it is
 * of another model than the one here.
 */
export async function fetchCheckpoint(
  context: EngineContext,
  checkpoint: string,
  name: Omit<StateName, 'round'> & { readonly round: number | null },
): Promise<FetchedState> {
  const body = { type: 'checkpoint.get', checkpoint } as const;
  const damaged = (what: string, cause?: unknown) =>
    new StillhouseError('checkpoint.damaged', `checkpoint ${checkpoint}: ${what}`, { cause });
  const { dataEndpoint } = context;
  const answer = await context.peers.request(dataEndpoint, { body, deadlineMs: DATA_TIMING.checkpointMs }).catch((error: unknown) => {
    const isDamage = error instanceof RequestRefusal && (error.reason === 'missing' || error.reason === 'failed');
    throw isDamage ? damaged(error.message, error) : error;
  });
  const state = stateOf(answer, { ...name, round: name.round ?? answer.header.round }, dataEndpoint);
  const damage = damageOf(state, name.hash);
  if (damage !== null) throw damaged(damage);
  return state;
}

/** The state in an answer, if that is about this state and of this model. */
function stateOf({ header, tensors }: DataMessage<DataAnswerOf<'state.answer'>>, name: StateName, peer: string): FetchedState {
  const { stage, round, ranges, hash, schema } = header;
  if (stage !== name.stage || round !== name.round) throw wrong(name, `the answer is about stage ${stage}, round ${round}`, peer);
  if (schema !== name.schema) throw otherModel(name, schema);
  const parameters = floatTensor(tensors, 'parameters');
  const slots = floatTensor(tensors, 'slots');
  if (parameters === null || slots === null) throw wrong(name, 'the answer has no parameters or no slots', peer);
  return { round, hash, ranges, parameters, slots };
}

/** What is wrong with the parameters; null: nothing. `hash`: what they are to have, where that is known. */
function damageOf(state: FetchedState, hash: string | null): string | null {
  if (hashArena(state.parameters) !== state.hash || (hash !== null && hash !== state.hash)) return 'the parameters do not match their hash';
  if (!isFiniteArena(state.parameters) || !isFiniteArena(state.slots)) return 'the parameters or slots are not finite';
  return null;
}

function wrong({ stage, round }: StateName, what: string, peer: string): StillhouseError {
  return new StillhouseError('protocol.invalid', `stage ${stage}, round ${round}: ${what}`, { address: peer });
}

function otherModel({ stage, round, schema }: StateName, theirs: string): StillhouseError {
  const begin = (hash: string) => hash.slice(0, 12);
  const what = `the model here has the schema ${begin(schema)}, the parameters were made with ${begin(theirs)}`;
  return new StillhouseError('model.invalid', `stage ${stage}, round ${round}: ${what}`, {
    hint: 'The model has changed since then, or differs between machines: put it back as it was, or begin a new run',
  });
}

/** The data of a float32 tensor of a message; null when it has none of this name. */
export function floatTensor(tensors: readonly WireTensor[], name: string): Float32Array | null {
  const data = tensors.find((tensor) => tensor.name === name)?.data;
  return data instanceof Float32Array ? data : null;
}

/** An arena as a tensor of a message. It must not change until the message is out. */
export function arenaTensor(name: string, data: Float32Array): WireTensor {
  return { name, dtype: 'float32', shape: [data.length], data };
}
