/**
 * Fingerprints that were computed before, in one file of the user's cache folder, so that the data need not be read again.
 *
 * Invariants: a fingerprint is found only while every file that it came from has the path, size and times of change that it
 * had then, and is read in the same way; the cache has at most {@link ENTRIES_MAX} fingerprints; its file appears whole.
 * Several processes may use it. When two write at the same time, an entry of one may be lost, and is computed again.
 * A cache that cannot be read or written costs time and nothing else, so that is no error.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../process/cache-folder.js';
import { makeFolder } from '../process/make-folder.js';
import { FINGERPRINT_VERSION } from './fingerprint.js';

/** The most entries. The oldest one makes room. */
export const ENTRIES_MAX = 256;
/** Several times the bytes of {@link ENTRIES_MAX} entries: a larger file is not ours. */
const FILE_BYTES_MAX = 1024 * ENTRIES_MAX;

const digits = z.string().regex(/^[0-9a-f]{64}$/);
/** Pairs of a key and its fingerprint, the oldest first. */
const contentSchema = z.array(z.tuple([digits, digits])).max(ENTRIES_MAX);

/** The way in which a split is read from files: format, labels, part and samples. */
export type Reading = Readonly<Record<string, string | number | null>>;

/**
 * The key of a split that is read from these files in this way. The key changes when a file has
 * changed. Throws the errors of `stat`.
 */
export async function fingerprintKey(reading: Reading, files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(files.map(stampOf));
  return createHash('sha256')
    .update(JSON.stringify([FINGERPRINT_VERSION, reading, stamps]))
    .digest('hex');
}

/** The time of change of the file's entry (ctime) is the system's own: copying a file with its old date does not hide it. */
async function stampOf(file: string): Promise<readonly string[]> {
  const { size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [resolve(file), String(size), String(mtimeNs), String(ctimeNs)];
}

export class FingerprintCache {
  readonly #file: string;

  /** `file` need not exist yet. */
  constructor(file = join(cacheFolder(), 'fingerprints.json')) {
    this.#file = file;
  }

  /** The folder that it is in, which has the other caches of data sets too. */
  get folder(): string {
    return dirname(this.#file);
  }

  /** The folder of the digests of single files, beside it (file-digests.ts). */
  get digestFolder(): string {
    return join(this.folder, 'digests');
  }

  /** The fingerprint that was put under the key; null when there is none. */
  async get(key: string): Promise<string | null> {
    return (await this.#read()).get(key) ?? null;
  }

  /** Keeps a fingerprint, as the newest. */
  async put(key: string, fingerprint: string): Promise<void> {
    const entries = await this.#read();
    entries.delete(key);
    entries.set(key, fingerprint);
    const kept = [...entries].slice(-ENTRIES_MAX);
    const unfinished = `${this.#file}.${randomUUID()}`;
    try {
      await makeFolder(dirname(this.#file));
      await writeFile(unfinished, JSON.stringify(kept));
      await rename(unfinished, this.#file);
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined);
    }
  }

  /** The entries of the file. A missing or damaged file counts as empty. */
  async #read(): Promise<Map<string, string>> {
    try {
      if ((await stat(this.#file)).size > FILE_BYTES_MAX) return new Map();
      return new Map(contentSchema.parse(JSON.parse(await readFile(this.#file, 'utf8'))));
    } catch {
      return new Map();
    }
  }
}
