/**
 * The flat parameter arena: all parameters of a model, BatchNorm statistics included, as one Float32Array, and behind them
 * the adapters that a stage's loss trains with it, and what it keeps of the samples, its memory.
 * The schema has the place of each tensor; its hash is equal exactly for models that may exchange arenas.
 */

import { sizeOf } from './tensor.js';

/** The kind of an entry, for the optimiser: weight decay depends on it. */
export type ArenaKind = 'kernel' | 'bias' | 'norm-scale' | 'norm-shift' | 'norm-mean' | 'norm-variance' | 'other' | 'adapter' | 'memory';

export interface ArenaEntry {
  /** Unique within the arena, stable between processes: `<layer>/<weight>`, or `adapter:<loss term>.<name>`, or `memory:<loss term>.<name>`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: ArenaKind;
  readonly trainable: boolean;
  /** The index of the first element in the arena, and the number of elements. */
  readonly offset: number;
  readonly size: number;
}

export interface ArenaSchema {
  readonly entries: readonly ArenaEntry[];
  /** The number of elements of the whole arena. */
  readonly size: number;
  /** Hex digest over names, shapes and kinds, in order. */
  readonly hash: string;
  /** The beginning of the arena that belongs to the model, without adapters: its number of elements, and the hash of its own schema. */
  readonly model: { readonly size: number; readonly hash: string };
  /** The number of elements before the loss's memory: replicas average them. */
  readonly averaged: number;
}

/** An entry before it has its place. */
export type ArenaItem = Omit<ArenaEntry, 'offset' | 'size'>;

export interface ArenaPlan {
  readonly model: readonly ArenaItem[];
  readonly adapters: readonly ArenaItem[];
  readonly memory: readonly ArenaItem[];
  /** A hex digest of a string (SHA-256). */
  digest(text: string): string;
}

/** Lays items out one after the other, in the order given: the model's, the adapters, the memory. */
export function layoutArena({ model, adapters, memory, digest }: ArenaPlan): ArenaSchema {
  let size = 0;
  const entries = [...model, ...adapters, ...memory].map((item) => {
    const entry = { ...item, offset: size, size: sizeOf(item.shape) };
    size += entry.size;
    return entry;
  });
  const own = entries.slice(0, model.length);
  const kept = entries.slice(model.length + adapters.length);
  return {
    entries,
    size,
    hash: digest(textOf(entries)),
    model: { size: own.reduce((sum, entry) => sum + entry.size, 0), hash: digest(textOf(own)) },
    averaged: size - kept.reduce((sum, entry) => sum + entry.size, 0),
  };
}

function textOf(entries: readonly ArenaEntry[]): string {
  return entries.map(({ name, shape, kind, trainable }) => `${name}[${shape.join(',')}]${kind}${trainable ? '' : '!'}`).join('\n');
}
