/**
 * Hashes of the chunks of a file, so that a part of it can be compared without reading the whole: a chunk is CHUNK_BYTES bytes, at the file's end
 * fewer. They are taken while the file is written, or read whole, and kept in memory.
 */

import { createHash } from 'node:crypto';
import { CHUNK_BYTES } from './atomic-folder.js';

/** Takes the hashes of the chunks of a file from its bytes, in whatever pieces they come. */
export class ChunkHashes {
  readonly #done: string[] = [];
  #hash = createHash('sha256');
  #filled = 0;

  update(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.byteLength; ) {
      const piece = bytes.subarray(start, start + CHUNK_BYTES - this.#filled);
      this.#hash.update(piece);
      this.#filled += piece.byteLength;
      start += piece.byteLength;
      if (this.#filled === CHUNK_BYTES) this.#next();
    }
  }

  /** The hashes of all chunks, hex. Nothing may be added any more. */
  end(): readonly string[] {
    if (this.#filled > 0) this.#next();
    return this.#done;
  }

  #next(): void {
    this.#done.push(this.#hash.digest('hex'));
    this.#hash = createHash('sha256');
    this.#filled = 0;
  }
}

/** A file of a checkpoint that was whole, with the hashes of its chunks. */
export interface HashedFile {
  readonly file: string;
  readonly bytes: number;
  readonly chunks: readonly string[];
}
