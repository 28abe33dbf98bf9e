/**
 * How channels are cut into blocks that one run of a loop takes: the wide ones first, what is left in smaller ones.
 * Every loop over channels is assembled once for each kind of block.
 */

import { four, type Lanes, one } from './assembler.js';

/** Adjoining channels that are held in `vectors` variables of some lanes. */
export interface Block {
  readonly lanes: Lanes;
  readonly vectors: number;
  /** lanes x vectors. */
  readonly width: number;
}

const block = (lanes: Lanes, vectors: number): Block => ({ lanes, vectors, width: lanes.count * vectors });

/** By width. Sixteen channels are a line of the processor's cache. */
export const BLOCKS = { 16: block(four, 4), 8: block(four, 2), 4: block(four, 1), 1: block(one, 1) } as const;

/** A run of blocks of one width. */
export interface BlockRun<Width extends number> {
  readonly width: Width;
  readonly start: number;
  readonly blocks: number;
}

/** Cuts `count` things into runs of the widths given, which are in falling order and end with 1. */
export function cutIntoBlocks<Width extends number>(count: number, widths: readonly Width[]): BlockRun<Width>[] {
  const runs: BlockRun<Width>[] = [];
  let start = 0;
  for (const width of widths) {
    const blocks = Math.floor((count - start) / width);
    if (blocks > 0) runs.push({ width, start, blocks });
    start += blocks * width;
  }
  return runs;
}

/** Offset in bytes of each vector of a block. */
export function offsetsOf({ lanes, vectors }: Block): number[] {
  return Array.from({ length: vectors }, (_, i) => 4 * lanes.count * i);
}

/** An object with what `make` answers for each key. */
export function mapKeys<Key extends number, Value>(keys: readonly Key[], make: (key: Key) => Value): Readonly<Record<Key, Value>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>;
}
