/**
 * Fingerprints that were computed before, in one file of the user's cache folder: who asks again need not read the data.
 *
 * Invariants: a fingerprint is found only while every file that it came from has the path, size and times of change that it
 * had then, and is read in the same way; the cache has at most {@link ENTRIES_MAX} fingerprints; its file appears whole.
 * Several processes may use it: what one of two that write at the same time has added may be lost, and is computed again.
 * A cache that cannot be read or written costs time and nothing else, so that is no error.
 */

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../process/cache-folder.js';
import { FINGERPRINT_VERSION } from './fingerprint.js';

/** The oldest one makes room. */
export const ENTRIES_MAX = 256;
/** Several times what {@link ENTRIES_MAX} entries take: a larger file is not ours. */
const FILE_BYTES_MAX = 1024 * ENTRIES_MAX;

const digits = z.string().regex(/^[0-9a-f]{64}$/);
/** Pairs of a key and its fingerprint, the oldest first. */
const contentSchema = z.array(z.tuple([digits, digits])).max(ENTRIES_MAX);

/** How a split is read out of files: which format, labels, part and samples. */
export type Reading = Readonly<Record<string, string | number | null>>;

/**
 * The key of what these files give, as they are now, when they are read in this way. It is another one when a file has
 * changed. Throws what `stat` does.
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
      await mkdir(dirname(this.#file), { recursive: true });
      await writeFile(unfinished, JSON.stringify(kept));
      await rename(unfinished, this.#file);
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined);
    }
  }

  /** What a file holds that is missing or damaged counts as nothing. */
  async #read(): Promise<Map<string, string>> {
    try {
      if ((await stat(this.#file)).size > FILE_BYTES_MAX) return new Map();
      return new Map(contentSchema.parse(JSON.parse(await readFile(this.#file, 'utf8'))));
    } catch {
      return new Map();
    }
  }
}
