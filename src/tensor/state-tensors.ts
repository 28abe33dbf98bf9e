/**
 * The tensors of a state by name, as they travel and as a checkpoint keeps them: `parameters` (the model's flat arena),
 * `adapters` (those of the stage's loss, where it has any), and `slots` (the optimiser's). All float32, flat, and never changed once
 * they are in such a map.
 *
 * Invariant: the hash of a state is over what replicas share: `parameters`, then `adapters` where there are any. Slots are
 * a replica's own and play no part in it.
 */

import { createHash, type Hash } from 'node:crypto';
import { assert, present } from '../base/assert.js';
import type { ArenaSchema } from './arena.js';
import { isFiniteArena } from './finite.js';
import type { WireTensor } from './tensor.js';

export type StateTensors = ReadonlyMap<string, Float32Array>;

/** A state as a program holds it. */
export interface StateArrays {
  /** The whole arena: the model's parameters, then the adapters of the stage's loss. */
  readonly parameters: Float32Array;
  /** The optimiser's, flat. */
  readonly slots: Float32Array;
}

/** Tensors without which there is no state. */
export const STATE_TENSORS = ['parameters', 'slots'] as const;

/** The tensors that the hash of a state is over, in this order, as far as the state has them. */
export const HASHED_TENSORS: readonly string[] = ['parameters', 'adapters'];

/** Hex SHA-256 of the state's shared tensors, little-endian: states with the same hash are the same bits. */
export function hashState(tensors: StateTensors): string {
  const hash = createHash('sha256');
  for (const name of HASHED_TENSORS) update(hash, tensors.get(name));
  return hash.digest('hex');
}

function update(hash: Hash, values: Float32Array | undefined): void {
  if (values !== undefined) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/**
 * The tensors of a state: the model's part of the arena, the part of the adapters where there are any, and the slots. Views, not
 * copies. Whoever has only the model (a teacher, an export) takes the first.
 */
export function splitState({ parameters, slots }: StateArrays, { model, size }: Pick<ArenaSchema, 'model' | 'size'>): StateTensors {
  assert(parameters.length === size, `an arena of ${parameters.length} elements for a schema of ${size}`);
  const adapters: [string, Float32Array][] = size > model.size ? [['adapters', parameters.subarray(model.size)]] : [];
  return new Map([['parameters', parameters.subarray(0, model.size)], ...adapters, ['slots', slots]]);
}

/** The arrays of a state from its tensors. The arena is a copy where there are adapters. */
export function joinState(tensors: StateTensors): StateArrays {
  const own = present(tensors.get('parameters'), 'the parameters of a state');
  const slots = present(tensors.get('slots'), 'the slots of a state');
  const adapters = tensors.get('adapters');
  if (adapters === undefined) return { parameters: own, slots };
  const parameters = new Float32Array(own.length + adapters.length);
  parameters.set(own);
  parameters.set(adapters, own.length);
  return { parameters, slots };
}

/** The name of the first tensor that holds a NaN or an infinity; null when all are finite. */
export function firstNotFinite(tensors: StateTensors): string | null {
  for (const [name, values] of tensors) if (!isFiniteArena(values)) return name;
  return null;
}

/** The tensors as a message carries them. They must not change until the message is out. */
export function stateToWire(tensors: StateTensors): WireTensor[] {
  return [...tensors].map(([name, data]) => ({ name, dtype: 'float32', shape: [data.length], data }));
}

/** The tensors of a message; what is wrong with them, in words, when they are not those of a state. */
export function stateFromWire(tensors: readonly WireTensor[]): StateTensors | string {
  const found = new Map<string, Float32Array>();
  for (const { name, shape, data } of tensors) {
    if (!(data instanceof Float32Array) || shape.length !== 1) return `the tensor ${name} is not float32 of one axis`;
    if (found.has(name)) return `there are two tensors ${name}`;
    found.set(name, data);
  }
  const missing = STATE_TENSORS.find((name) => !found.has(name));
  if (missing !== undefined) return `there is no tensor ${missing}`;
  const shared = [...found.keys()].filter((name) => HASHED_TENSORS.includes(name));
  const isOrdered = shared.every((name, i) => i === 0 || HASHED_TENSORS.indexOf(name) > HASHED_TENSORS.indexOf(shared[i - 1] ?? ''));
  return isOrdered ? found : `the tensors ${shared.join(', ')} are not in the order of the state's hash`;
}
