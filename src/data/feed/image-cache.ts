/**
 * Coded images that came from another machine, in a folder that all workers of a host share. A file is named by the SHA-256 of its bytes, so the same image of
 * two splits, or of two runs, is there once.
 *
 * Invariants: a file appears whole; beyond the limit files are removed, those first that were fetched first, but none that somebody holds, here or, within
 * the last two minutes, in another process; so files in use may pass the limit.
 */

import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { hasCode } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { imageFile } from './fetched-image.js';

/** Another process may be about to read a file that was asked for this short a time ago. */
const IN_USE_MS = 120_000;
/** The time of a file's last use is not written more often. */
const TOUCH_MS = 30_000;
/** The files that are looked at to make room for one: some of them may be in use. */
const LOOKS = 64;
/** The files that are looked at at a time when they are counted. */
const AT_A_TIME = 32;
const UNFINISHED = '.unfinished-';

export interface ImageCacheOptions {
  readonly folder: string;
  /** The most bytes of files that are not in use. */
  readonly limitBytes: number;
  readonly clock: Pick<Clock, 'wallMs'>;
}

export class ImageCache {
  readonly folder: string;
  readonly #limitBytes: number;
  readonly #clock: Pick<Clock, 'wallMs'>;
  /** The bytes of each file by its digest: those that are to go first come first. */
  readonly #sizes = new Map<string, number>();
  readonly #holders = new Map<string, number>();
  /** The files that are being removed. */
  readonly #going = new Map<string, Promise<void>>();
  #bytes = 0;

  /** Resolves when the files that were there at the beginning are counted. No room is made before. */
  readonly counted: Promise<void>;
  #isCounted = false;

  /** Opens the folder, which need not exist. */
  constructor({ folder, limitBytes, clock }: ImageCacheOptions) {
    this.folder = folder;
    this.#limitBytes = limitBytes;
    this.#clock = clock;
    // A folder that cannot be read fails those who need its files.
    this.counted = this.#count().catch(() => undefined);
  }

  /** The bytes of all files, as far as this process knows. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From now on the file is not removed. Each call is to be followed by one of {@link release}. */
  hold(digest: string): void {
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
  }

  release(digest: string): void {
    const left = (this.#holders.get(digest) ?? 1) - 1;
    if (left > 0) this.#holders.set(digest, left);
    else this.#holders.delete(digest);
  }

  /** Whether the image is there, in as many bytes; then it is marked as in use. A file that a power cut has left too short counts as none. */
  async has(digest: string, size: number): Promise<boolean> {
    await this.#going.get(digest);
    const file = imageFile(this.folder, digest);
    const found = await stat(file).catch(ifThere);
    if (found?.size !== size) return false;
    const nowMs = this.#clock.wallMs();
    if (nowMs - found.mtimeMs > TOUCH_MS) await utimes(file, nowMs / 1000, nowMs / 1000).catch(ifThere);
    this.#enter(digest, size);
    return true;
  }

  /** Keeps an image whose digest this is, and makes room. Throws the errors of the system. */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const file = imageFile(this.folder, digest);
    const unfinished = join(dirname(file), UNFINISHED + randomUUID());
    try {
      await writeFile(unfinished, bytes).catch(async (error: unknown) => {
        if (!hasCode(error, 'ENOENT')) throw error;
        await makeFolder(dirname(file));
        await writeFile(unfinished, bytes);
      });
      await rename(unfinished, file);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw error;
    }
    this.#enter(digest, bytes.length);
    await this.#makeRoom();
  }

  /** Enters the files that are there. There may be a million, so nobody waits for it. */
  async #count(): Promise<void> {
    const found: { readonly digest: string; readonly size: number; readonly writtenMs: number }[] = [];
    for (const part of await namesIn(this.folder)) {
      const folder = join(this.folder, part);
      const names = (await namesIn(folder)).filter((name) => !name.startsWith(UNFINISHED));
      for (let from = 0; from < names.length; from += AT_A_TIME) {
        const some = names.slice(from, from + AT_A_TIME);
        const stats = await Promise.all(some.map((name) => stat(join(folder, name)).catch(ifThere)));
        for (const [i, digest] of some.entries()) {
          const own = stats[i];
          if (own !== undefined) found.push({ digest, size: own.size, writtenMs: own.birthtimeMs });
        }
      }
    }
    // Those that came meanwhile are the last ones to go.
    const later = [...this.#sizes];
    this.#sizes.clear();
    this.#bytes = 0;
    found.sort((a, b) => a.writtenMs - b.writtenMs);
    for (const { digest, size } of found) this.#enter(digest, size);
    for (const [digest, size] of later) this.#enter(digest, size);
    this.#isCounted = true;
  }

  /** Adds a file as the last one to go, if it is not known yet. */
  #enter(digest: string, size: number): void {
    const known = this.#sizes.get(digest);
    this.#bytes += size - (known ?? 0);
    this.#sizes.set(digest, size);
  }

  async #makeRoom(): Promise<void> {
    for (let looks = 0; this.#isCounted && looks < LOOKS && this.#bytes > this.#limitBytes; looks++) {
      const [first] = this.#sizes;
      if (first === undefined) return;
      const [digest, size] = first;
      // To the end: it has another turn if it is in use.
      this.#sizes.delete(digest);
      this.#sizes.set(digest, size);
      const file = imageFile(this.folder, digest);
      const found = await stat(file).catch(ifThere);
      const isFresh = found !== undefined && this.#clock.wallMs() - found.mtimeMs < IN_USE_MS;
      // Looked at last: somebody may have begun to hold it meanwhile.
      if (isFresh || this.#holders.has(digest) || !this.#sizes.delete(digest)) continue;
      this.#bytes -= size;
      const going = rm(file, { force: true }).finally(() => this.#going.delete(digest));
      this.#going.set(digest, going);
      await going;
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ifThere)) ?? [];
}

/** Nothing, for a file or folder that is not there; throws any other error. */
function ifThere(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error;
}
