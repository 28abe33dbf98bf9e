/** The name of a set of parameters: peers that have the same hash have the same bits. */

import { createHash } from 'node:crypto';

/** Hex SHA-256 of the arena's bytes, little-endian. */
export function hashArena(arena: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(arena.buffer, arena.byteOffset, arena.byteLength))
    .digest('hex');
}
