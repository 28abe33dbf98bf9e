/**
 * The flat parameter arena: all parameters of a model, BatchNorm statistics included, as one Float32Array.
 * The schema says where each tensor lies; its hash is equal exactly for models that may exchange arenas.
 */

import { sizeOf } from './tensor.js';

/** What an entry is to the optimiser: weight decay and averaging treat kinds differently. */
export type ArenaKind = 'kernel' | 'bias' | 'norm-scale' | 'norm-shift' | 'norm-mean' | 'norm-variance' | 'other';

export interface ArenaEntry {
  /** Unique within the model, stable between processes: `<layer>/<weight>`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: ArenaKind;
  readonly trainable: boolean;
  /** First element in the arena, and the number of elements. */
  readonly offset: number;
  readonly size: number;
}

export interface ArenaSchema {
  readonly entries: readonly ArenaEntry[];
  /** Elements of the whole arena. */
  readonly size: number;
  /** Hex digest over names, shapes and kinds, in order. */
  readonly hash: string;
}

/** An entry before it has its place. */
export type ArenaItem = Omit<ArenaEntry, 'offset' | 'size'>;

/** Lays items out one after the other, in the order given. `digest` is a hex digest of a string (SHA-256). */
export function layoutArena(items: readonly ArenaItem[], digest: (text: string) => string): ArenaSchema {
  let offset = 0;
  const entries = items.map((item) => {
    const entry = { ...item, offset, size: sizeOf(item.shape) };
    offset += entry.size;
    return entry;
  });
  const text = entries.map(({ name, shape, kind, trainable }) => `${name}[${shape.join(',')}]${kind}${trainable ? '' : '!'}`).join('\n');
  return { entries, size: offset, hash: digest(text) };
}
