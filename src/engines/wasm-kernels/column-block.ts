/**
 * Cuts channels into blocks for the loops: wide blocks first, then smaller ones for the rest. Every loop over channels is
 * assembled once for each width of block.
 */

import { four, type Lanes, one } from './assembler.js';

/** Adjoining channels, which a loop holds in `vectors` variables with some lanes each. */
export interface Block {
  readonly lanes: Lanes;
  readonly vectors: number;
  /** The number of channels: lanes x vectors. */
  readonly width: number;
}

const block = (lanes: Lanes, vectors: number): Block => ({ lanes, vectors, width: lanes.count * vectors });

/** The kinds of blocks by their width. Sixteen channels fill one line of the processor's cache. */
export const BLOCKS = { 16: block(four, 4), 8: block(four, 2), 4: block(four, 1), 1: block(one, 1) } as const;

/** A run of `blocks` adjoining blocks of one width. */
export interface BlockRun<Width extends number> {
  readonly width: Width;
  /** The index of the first channel. */
  readonly start: number;
  readonly blocks: number;
}

/** Cuts `count` channels or pixels into runs of blocks. The widths must be in falling order and end with 1. */
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

/** The offset of each vector of a block, in bytes. */
export function offsetsOf({ lanes, vectors }: Block): number[] {
  return Array.from({ length: vectors }, (_, i) => 4 * lanes.count * i);
}

/** Makes an object with the answer of `make` for each key. */
export function mapKeys<Key extends number, Value>(keys: readonly Key[], make: (key: Key) => Value): Readonly<Record<Key, Value>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>;
}
