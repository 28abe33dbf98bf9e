/**
 * The memory of a loss among replicas: it is not averaged. Each replica gives the rows of the samples that it has trained in the round, and
 * the other rows stay as they were before it; a number that was not set before the round becomes the mean of the replicas'. Only those rows
 * and numbers travel, packed: for each entry of the memory, in the arena's order, the rows in the order of the samples, or the number.
 *
 * Invariant: a pure function of the base and the parts in rank order, so that every replica makes the same bits. Where a round has a sample
 * twice, over two epochs, the later part of the list has its row.
 */

import { assert, present } from '../base/assert.js';
import type { ArenaEntry, ArenaSchema } from '../tensor/arena.js';

/** The part of one replica. */
export interface MemoryPart {
  /** The samples of its rows, by their numbers. */
  readonly samples: Int32Array;
  readonly packed: Float32Array;
}

type MemorySchema = Pick<ArenaSchema, 'entries' | 'averaged' | 'size'>;

/** The number of elements that a replica packs for so many samples; 0 where the loss keeps no memory. */
export function packedSize(schema: MemorySchema, samples: number): number {
  return memoryOf(schema).reduce((sum, entry) => sum + (isRows(entry) ? samples * widthOf(entry) : 1), 0);
}

/** The rows of these samples, and the numbers, of an arena. A new array. */
export function packMemory(schema: MemorySchema, arena: Float32Array, samples: Int32Array): Float32Array {
  const packed = new Float32Array(packedSize(schema, samples.length));
  let at = 0;
  for (const entry of memoryOf(schema)) {
    const own = arena.subarray(entry.offset, entry.offset + entry.size);
    const width = widthOf(entry);
    for (const row of isRows(entry) ? samples : [0]) {
      packed.set(own.subarray(row * width, (row + 1) * width), at);
      at += width;
    }
  }
  return packed;
}

/** The memory after a round: that of the arena `base`, from before the round, with the parts of all replicas. A new array of the memory alone. */
export function mergeMemory(schema: MemorySchema, base: Float32Array, parts: readonly MemoryPart[]): Float32Array {
  const merged = base.slice(schema.averaged);
  for (const { samples, packed } of parts) {
    const size = packedSize(schema, samples.length);
    assert(packed.length === size, `${packed.length} elements of the memory for ${samples.length} samples, not ${size}`);
  }
  const starts = parts.map(() => 0);
  for (const entry of memoryOf(schema)) {
    const from = entry.offset - schema.averaged;
    const width = widthOf(entry);
    parts.forEach(({ samples, packed }, i) => {
      let at = present(starts[i], 'the start of a part');
      for (const sample of isRows(entry) ? samples : []) {
        merged.set(packed.subarray(at, at + width), from + sample * width);
        at += width;
      }
      starts[i] = at;
    });
    if (isRows(entry)) continue;
    const numbers = parts.map(({ packed }, i) => present(packed[present(starts[i], 'the start of a part')], 'a number of the memory'));
    if (merged[from] === 0) merged[from] = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    parts.forEach((_, i) => {
      starts[i] = present(starts[i], 'the start of a part') + 1;
    });
  }
  return merged;
}

function memoryOf({ entries }: MemorySchema): readonly ArenaEntry[] {
  return entries.filter(({ kind }) => kind === 'memory');
}

function isRows({ shape }: ArenaEntry): boolean {
  return shape.length > 0;
}

/** The elements of a row; a number is one. */
function widthOf({ shape }: ArenaEntry): number {
  return shape[1] ?? 1;
}
