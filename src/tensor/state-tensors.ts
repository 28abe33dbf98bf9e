/**
 * The tensors of a state by name, in messages and in checkpoints: `parameters` (the model's flat arena),
 * `adapters` (those of the stage's loss, and its memory behind them, where it has any), and `slots` (the optimiser's); a checkpoint may have those of other replicas of
 * the peer as well, `slots.1` and so on, by column. All are float32 and flat, and never change once they are in such a map.
 *
 * Invariant: the hash of a state covers the tensors that replicas share: `parameters`, then `adapters` where there are any. Slots
 * belong to a replica and are not hashed.
 */

import { createHash, type Hash } from 'node:crypto';
import { assert, present } from '../base/assert.js';
import type { ArenaSchema } from './arena.js';
import { isFiniteArena } from './finite.js';

export type StateTensors = ReadonlyMap<string, Float32Array>;

/** The tensors of a state by name, or as much of them: how long they are. */
export type TensorLengths = ReadonlyMap<string, { readonly length: number }>;

/** The arrays of a state in a program. */
export interface StateArrays {
  /** The whole arena: the model's parameters, then the adapters of the stage's loss, then its memory. */
  readonly parameters: Float32Array;
  /** The optimiser's slots, flat. */
  readonly slots: Float32Array;
}

/** The names of the tensors that every state has. */
export const STATE_TENSORS = ['parameters', 'slots'] as const;

/** The names of the tensors that the hash of a state covers, in this order, as far as the state has them. */
export const HASHED_TENSORS: readonly string[] = ['parameters', 'adapters'];

/** Bytes that are hashed in one call, which takes less than 2 GiB. */
const HASH_BYTES = 2 ** 30;

/** Hex SHA-256 of the state's shared tensors, little-endian: states with the same hash are the same bits. */
export function hashState(tensors: StateTensors): string {
  const hash = createHash('sha256');
  for (const name of HASHED_TENSORS) update(hash, tensors.get(name));
  return hash.digest('hex');
}

function update(hash: Hash, values: Float32Array | undefined): void {
  if (values === undefined) return;
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let start = 0; start < bytes.length; start += HASH_BYTES) hash.update(bytes.subarray(start, start + HASH_BYTES));
}

/**
 * The tensors of a state: the model's part of the arena, the part of the adapters and the memory where there are any, and the slots. They are views,
 * not copies. A model without the loss (a teacher, an export) takes the first one alone.
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

/**
 * The state with the optimiser's state of several replicas, by column. That of the first column is `slots`, from which a column without a
 * state of its own goes on; the others have a tensor each.
 */
export function withReplicaSlots(tensors: StateTensors, byColumn: ReadonlyMap<number, Float32Array>): StateTensors {
  const [first, ...others] = [...byColumn].sort(([a], [b]) => a - b);
  if (first === undefined) return tensors;
  return new Map([...tensors, ['slots', first[1]], ...others.map(([column, slots]) => [slotsName(column), slots] as const)]);
}

/**
 * The state as the replica of a column goes on from it (null: one replica, of no column): with one tensor `slots`. A state may be given as anything by
 * the tensors' names.
 */
export function stateForColumn<Tensor>(tensors: ReadonlyMap<string, Tensor>, column: number | null): ReadonlyMap<string, Tensor> {
  const own = column === null ? undefined : tensors.get(slotsName(column));
  const shared = [...tensors].filter(([name]) => !name.startsWith(REPLICA_SLOTS));
  return new Map(own === undefined ? shared : [...shared, ['slots', own]]);
}

/** Whether the state has an optimiser's state for this column; a state without any needs none. */
export function hasSlotsOf(tensors: TensorLengths, column: number): boolean {
  return column === 0 || tensors.has(slotsName(column)) || tensors.get('slots')?.length === 0;
}

/** The number of replicas whose optimiser's state is there; as many as there may be, where it is empty. */
export function slotsIn(tensors: TensorLengths): number {
  if (tensors.get('slots')?.length === 0) return Number.POSITIVE_INFINITY;
  return [...tensors.keys()].filter((name) => name === 'slots' || name.startsWith(REPLICA_SLOTS)).length;
}

const REPLICA_SLOTS = 'slots.';

function slotsName(column: number): string {
  return `${REPLICA_SLOTS}${column}`;
}

/** The name of the first tensor that holds a NaN or an infinity; null when all are finite. */
export function firstNotFinite(tensors: StateTensors): string | null {
  for (const [name, values] of tensors) if (!isFiniteArena(values)) return name;
  return null;
}

/** Says why tensors of these names, in this order, are not those of a state; null when they are. */
export function stateNamesProblem(names: readonly string[]): string | null {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) return `there are two tensors ${twice}`;
  const missing = STATE_TENSORS.find((name) => !names.includes(name));
  if (missing !== undefined) return `there is no tensor ${missing}`;
  const shared = names.filter((name) => HASHED_TENSORS.includes(name));
  const isOrdered = shared.every((name, i) => i === 0 || HASHED_TENSORS.indexOf(name) > HASHED_TENSORS.indexOf(shared[i - 1] ?? ''));
  return isOrdered ? null : `the tensors ${shared.join(', ')} are not in the order of the state's hash`;
}
