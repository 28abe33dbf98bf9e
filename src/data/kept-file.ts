/**
 * Files of the user's cache, each of which is known by a name and appears whole. There are at most so many of a kind; the one that was written first
 * makes room. A cache that cannot be read or written costs time and nothing else, so that is no error.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../process/make-folder.js';

const DIGEST_BYTES = 32;

export interface KeptFilesOptions {
  /** It need not exist yet. */
  readonly folder: string;
  /** The end of the files' names, with its point. */
  readonly suffix: string;
  /** The most files that are kept. */
  readonly most: number;
}

export class KeptFiles {
  readonly #options: KeptFilesOptions;

  constructor(options: KeptFilesOptions) {
    this.#options = options;
  }

  /** The bytes that were written last under the name. A missing or damaged file counts as empty. */
  async read(name: string): Promise<Buffer> {
    const bytes = await readFile(this.#fileOf(name)).catch(() => Buffer.alloc(0));
    // The last bytes are the digest of all before: a file that is damaged is not believed.
    const end = bytes.length - DIGEST_BYTES;
    return end >= 0 && sha256(bytes.subarray(0, end)).equals(bytes.subarray(end)) ? bytes.subarray(0, end) : Buffer.alloc(0);
  }

  async write(name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const { folder } = this.#options;
    const file = this.#fileOf(name);
    const unfinished = `${file}.${randomUUID()}`;
    const hash = createHash('sha256');
    for (const piece of pieces) hash.update(piece);
    try {
      await makeFolder(folder);
      await writeFile(unfinished, [...pieces, hash.digest()]);
      await rename(unfinished, file);
      await this.#makeRoom();
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined);
    }
  }

  #fileOf(name: string): string {
    return join(this.#options.folder, sha256(name).toString('hex') + this.#options.suffix);
  }

  async #makeRoom(): Promise<void> {
    const { folder, suffix, most } = this.#options;
    const files = (await readdir(folder)).filter((name) => name.endsWith(suffix)).map((name) => join(folder, name));
    const written = await Promise.all(files.map(async (file) => ({ file, at: (await stat(file)).mtimeMs })));
    const oldest = written.sort((a, b) => b.at - a.at).slice(most);
    await Promise.all(oldest.map(({ file }) => rm(file, { force: true })));
  }
}

/** The SHA-256 of bytes or text. */
export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}
