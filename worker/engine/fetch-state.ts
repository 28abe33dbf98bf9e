/** Committed parameters from elsewhere: a peer's memory, or the coordinator's disk. Nothing is taken that does not check out. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { Range } from '../../src/protocol/field.js';
import { isFiniteArena } from '../../src/reduce/finite.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import { PeerRefusal } from '../../src/transport/peer-refusal.js';
import { hashArena } from './arena-hash.js';
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

/** From a peer that holds it in memory. Throws as Peers.request does, and protocol.invalid when it is something else. */
export async function fetchFromPeer(context: EngineContext, endpoint: string, name: StateName & { hash: string }): Promise<FetchedState> {
  const { stage, round, hash } = name;
  const body = { type: 'state.get', term: context.term, stage, round, hash } as const;
  return checked(await context.peers.request(endpoint, { body, deadlineMs: DATA_TIMING.stateMs }), name, endpoint);
}

/** From the coordinator's disk; `round` is null where the checkpoint's name is all that is known. Throws checkpoint.damaged. */
export async function fetchCheckpoint(
  context: EngineContext,
  checkpoint: string,
  name: Omit<StateName, 'round'> & { readonly round: number | null },
): Promise<FetchedState> {
  const body = { type: 'checkpoint.get', checkpoint } as const;
  try {
    const answer = await context.peers.request(context.dataEndpoint, { body, deadlineMs: DATA_TIMING.checkpointMs });
    return checked(answer, { ...name, round: name.round ?? answer.header.round }, context.dataEndpoint);
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new StillhouseError('checkpoint.damaged', `checkpoint ${checkpoint}: ${error.message}`, { cause: error });
  }
}

/** Asking again would give the same; an older checkpoint may serve. */
function isDamage(error: unknown): error is StillhouseError {
  if (error instanceof PeerRefusal) return error.reason === 'missing' || error.reason === 'failed';
  return error instanceof StillhouseError && error.code === 'protocol.invalid';
}

function checked({ header, tensors }: DataMessage<DataAnswerOf<'state.answer'>>, name: StateName, peer: string): FetchedState {
  const { stage, round, ranges, hash, schema } = header;
  const wrong = (what: string) => new StillhouseError('protocol.invalid', `stage ${name.stage}, round ${name.round}: ${what}`, { peer });
  if (stage !== name.stage || round !== name.round) throw wrong(`the answer is about stage ${stage}, round ${round}`);
  if (schema !== name.schema) throw wrong('the parameters are those of another model');
  const parameters = floatTensor(tensors, 'parameters');
  const slots = floatTensor(tensors, 'slots');
  if (parameters === null || slots === null) throw wrong('the answer has no parameters or no slots');
  if (hashArena(parameters) !== hash || (name.hash !== null && name.hash !== hash)) throw wrong('the parameters do not match their hash');
  if (!isFiniteArena(parameters) || !isFiniteArena(slots)) throw wrong('the parameters or slots are not finite');
  return { round, hash, ranges, parameters, slots };
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
