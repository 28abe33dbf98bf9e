/**
 * Coded images that came from another machine, in a folder that all workers of a host share. A file is named by the SHA-256 of its bytes, so the same image of
 * two splits, or of two runs, is there once.
 *
 * Invariants: a file appears whole, and one that an earlier process has left is read and compared with its name before it counts as there (a power cut may
 * have taken its bytes); beyond the limit files are removed, those first that were fetched first, but none that somebody holds, here or in another process, whose
 * files are never older than two minutes; so files in use may pass the limit.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { hasCode } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { imageFile } from './fetched-image.js';

/** Another process may be about to read a file that was asked for this short a time ago. */
const IN_USE_MS = 120_000;
/** The time of a file's last use is not written more often; that of a file that is held for long is written this often. */
const TOUCH_MS = 30_000;
const HELD_TOUCH_MS = 60_000;
/** The files that are looked at to make room for one: some of them may be in use. */
const LOOKS = 64;
/** The files that are looked at at a time when they are counted. */
const AT_A_TIME = 32;
const UNFINISHED = '.unfinished-';

export interface ImageCacheOptions {
  readonly folder: string;
  /** The most bytes of files that are not in use. */
  readonly limitBytes: number;
  readonly clock: Pick<Clock, 'wallMs' | 'after'>;
}

interface Known {
  readonly size: number;
  /** Whether its bytes were those of its digest, in this process. */
  readonly isWhole: boolean;
}

export class ImageCache {
  readonly folder: string;
  readonly #limitBytes: number;
  readonly #clock: Pick<Clock, 'wallMs' | 'after'>;
  /** The files by their digest: those that are to go first come first. */
  readonly #known = new Map<string, Known>();
  readonly #holders = new Map<string, number>();
  #isTouching = false;
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
    this.#touchLater();
  }

  release(digest: string): void {
    const left = (this.#holders.get(digest) ?? 1) - 1;
    if (left > 0) this.#holders.set(digest, left);
    else this.#holders.delete(digest);
  }

  /** Whether the image is there, whole; then it is marked as in use. A file with other bytes counts as none: the next one that is put takes its place. */
  async has(digest: string): Promise<boolean> {
    await this.#going.get(digest);
    const file = imageFile(this.folder, digest);
    const found = await stat(file).catch(ifThere);
    if (found === undefined) return false;
    const { size, mtimeMs } = found;
    const nowMs = this.#clock.wallMs();
    // Marked first: it takes a while to read it.
    if (nowMs - mtimeMs > TOUCH_MS) await this.#touch(digest);
    const known = this.#known.get(digest);
    const isWhole = (known?.isWhole === true && known.size === size) || (await isImage(file, digest));
    if (isWhole) this.#enter(digest, { size, isWhole });
    return isWhole;
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
    this.#enter(digest, { size: bytes.length, isWhole: true });
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
    const later = [...this.#known];
    this.#known.clear();
    this.#bytes = 0;
    found.sort((a, b) => a.writtenMs - b.writtenMs);
    for (const { digest, size } of found) this.#enter(digest, { size, isWhole: false });
    for (const [digest, own] of later) this.#enter(digest, own);
    this.#isCounted = true;
  }

  /** Adds a file as the last one to go, if it is not known yet. */
  #enter(digest: string, own: Known): void {
    this.#bytes += own.size - (this.#known.get(digest)?.size ?? 0);
    this.#known.set(digest, own);
  }

  /** Other processes remove what has not been used for long: a file that is held is marked as in use, again and again. */
  #touchLater(): void {
    if (this.#isTouching) return;
    this.#isTouching = true;
    this.#clock.after(HELD_TOUCH_MS, () => void this.#touchHeld(), { unref: true });
  }

  async #touchHeld(): Promise<void> {
    const held = [...this.#holders.keys()];
    for (let from = 0; from < held.length; from += AT_A_TIME) {
      // A file that cannot be marked fails those who read it, if it is gone.
      await Promise.all(held.slice(from, from + AT_A_TIME).map((digest) => this.#touch(digest).catch(() => undefined)));
    }
    this.#isTouching = false;
    if (this.#holders.size > 0) this.#touchLater();
  }

  async #touch(digest: string): Promise<void> {
    const seconds = this.#clock.wallMs() / 1000;
    await utimes(imageFile(this.folder, digest), seconds, seconds).catch(ifThere);
  }

  async #makeRoom(): Promise<void> {
    for (let looks = 0; this.#isCounted && looks < LOOKS && this.#bytes > this.#limitBytes; looks++) {
      const [first] = this.#known;
      if (first === undefined) return;
      const [digest, own] = first;
      // To the end: it has another turn if it is in use.
      this.#known.delete(digest);
      this.#known.set(digest, own);
      const file = imageFile(this.folder, digest);
      const found = await stat(file).catch(ifThere);
      const isFresh = found !== undefined && this.#clock.wallMs() - found.mtimeMs < IN_USE_MS;
      // Looked at last: somebody may have begun to hold it meanwhile.
      if (isFresh || this.#holders.has(digest) || !this.#known.delete(digest)) continue;
      this.#bytes -= own.size;
      const going = rm(file, { force: true }).finally(() => this.#going.delete(digest));
      this.#going.set(digest, going);
      await going;
    }
  }
}

/** Whether the bytes of the file are those of its digest. */
async function isImage(file: string, digest: string): Promise<boolean> {
  const bytes = await readFile(file).catch(ifThere);
  return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === digest;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ifThere)) ?? [];
}

/** Nothing, for a file or folder that is not there; throws any other error. */
function ifThere(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error;
}
