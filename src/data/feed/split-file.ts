/**
 * The rows of a split (split-rows.ts) in a file of its own, named by the split's fingerprint, so that they are fetched once. While rows are missing the file has
 * another name, and its length says how many there are: a process that was cut goes on there.
 *
 *   a head of seven words, the rows, and, when all are there, the SHA-256 of all bytes before it
 *
 * Invariants: a file under its own name has all rows, and appears whole; it is believed only when its bytes are those that were written, and the fingerprint of
 * what it holds is its name; one process at a time writes a split's rows; at most {@link SPLITS_MAX} splits are kept, and so many bytes, the last ones used.
 */

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { type SplitHead, SplitRows } from './split-rows.js';

/** The most splits that are kept. */
export const SPLITS_MAX = 32;
const SUFFIX = '.rows';
const UNFINISHED = '.part';
/** Rows that are missing come within minutes, or nobody fetches them any more. */
const UNDER_WAY_MS = 600_000;
const MAGIC = 0x32726873;
const HEAD_WORDS = 7;
const HEAD_BYTES = 4 * HEAD_WORDS;
const KINDS = ['resident', 'coded'] as const;
const CHUNK_BYTES = 4 * 2 ** 20;

/** The file of the split with this fingerprint, when it has all rows. */
export function splitFile(folder: string, fingerprint: string): string {
  return join(folder, fingerprint + SUFFIX);
}

/** The rows that a file has. */
export interface KeptRows {
  readonly rows: SplitRows;
  /** Whether all rows are there, and all bytes are those that were written. */
  readonly isIntact: boolean;
}

/** The room for splits. */
export interface SplitRoom {
  /** The most bytes of all splits. The last one stays, however large it is. */
  readonly limitBytes: number;
  /** The time: the rows of a split that another process fetches stay. */
  readonly wallMs: number;
}

/** The rows that a file has; null when there is none, or it is no such file. Throws the errors of the system. */
export async function readRows(file: string): Promise<KeptRows | null> {
  return readHashed(file);
}

/** The rows, with the hash of all bytes before the last row's end. */
async function readHashed(file: string): Promise<(KeptRows & { readonly hash: Hash }) | null> {
  const handle = await open(file).catch(ifThere);
  if (handle === undefined) return null;
  try {
    const rows = await startRows(handle);
    if (rows === null) return null;
    const hash = createHash('sha256').update(headBytes(rows.head));
    const chunk = Buffer.alloc(rows.bytes * Math.max(1, Math.floor(CHUNK_BYTES / rows.bytes)));
    let at = HEAD_BYTES;
    while (!rows.isWhole) {
      const wanted = Math.min(chunk.length, (rows.head.count - rows.count) * rows.bytes);
      const { bytesRead } = await handle.read(chunk, 0, wanted, at);
      const whole = bytesRead - (bytesRead % rows.bytes);
      if (whole === 0) break;
      rows.add(chunk.subarray(0, whole));
      hash.update(chunk.subarray(0, whole));
      at += whole;
    }
    const digest = hash.copy().digest();
    const last = Buffer.alloc(digest.length);
    await handle.read(last, 0, last.length, at);
    return { rows, hash, isIntact: rows.isWhole && last.equals(digest) };
  } finally {
    await handle.close();
  }
}

/** The bytes so far of a split whose rows are not all there yet; 0 when there are none. */
export async function unfinishedBytes(file: string): Promise<number> {
  return (await stat(unfinishedOf(file)).catch(ifThere))?.size ?? 0;
}

/** Marks a file as used at this time, so that it is kept for longer. */
export async function touchSplit(file: string, wallMs: number): Promise<void> {
  await utimes(file, wallMs / 1000, wallMs / 1000).catch(ifThere);
}

/** The rows of a split while they come. Only for the process that has its lock. */
export class SplitWriter {
  readonly #file: string;
  readonly #unfinished: string;
  #handle: FileHandle | null = null;
  #rows: SplitRows | null = null;
  #hash: Hash | null = null;

  constructor(file: string) {
    this.#file = file;
    this.#unfinished = unfinishedOf(file);
  }

  /** The rows that an earlier writer left, to go on with; null when there are none. */
  async goOn(): Promise<SplitRows | null> {
    const kept = await readHashed(this.#unfinished);
    if (kept === null) return null;
    [this.#rows, this.#hash] = [kept.rows, kept.hash];
    this.#handle = await open(this.#unfinished, 'r+');
    // After the last whole row there is the beginning of one.
    await this.#handle.truncate(HEAD_BYTES + this.#rows.count * this.#rows.bytes);
    return this.#rows;
  }

  /** Begins anew, with no rows. */
  async begin(head: SplitHead): Promise<SplitRows> {
    await this.close();
    await makeFolder(dirname(this.#file));
    this.#handle = await open(this.#unfinished, 'w+');
    const bytes = headBytes(head);
    await this.#handle.write(bytes, 0, HEAD_BYTES, 0);
    this.#hash = createHash('sha256').update(bytes);
    this.#rows = new SplitRows(head);
    return this.#rows;
  }

  /** Adds whole rows, to the file and to those in memory. */
  async add(bytes: Uint8Array): Promise<void> {
    const rows = this.#rows!;
    const at = HEAD_BYTES + rows.count * rows.bytes;
    rows.add(bytes);
    this.#hash!.update(bytes);
    await this.#handle!.write(bytes, 0, bytes.length, at);
  }

  /** Gives the file its own name, and makes room for it: splits go that were used longest ago. All rows must be there. */
  async finish(room: SplitRoom): Promise<void> {
    const rows = this.#rows!;
    const digest = this.#hash!.digest();
    await this.#handle!.write(digest, 0, digest.length, HEAD_BYTES + rows.count * rows.bytes);
    await this.#handle!.sync();
    await this.close();
    await rename(this.#unfinished, this.#file);
    await makeRoom(this.#file, room);
  }

  /** Removes the rows. */
  async discard(): Promise<void> {
    await this.close();
    await rm(this.#unfinished, { force: true });
  }

  /** Ends the writing; the rows so far stay. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }
}

function unfinishedOf(file: string): string {
  return file + UNFINISHED;
}

/** The rows of a file, none of them read yet; null when its beginning is not that of such a file. */
async function startRows(handle: FileHandle): Promise<SplitRows | null> {
  const bytes = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await handle.read(bytes, 0, HEAD_BYTES, 0);
  const words = Array.from({ length: HEAD_WORDS }, (_, i) => bytes.readUInt32LE(4 * i));
  const [magic, kindNumber, count, height, width, channels, classes] = words as [number, number, number, number, number, number, number];
  const kind = KINDS[kindNumber];
  if (bytesRead < HEAD_BYTES || magic !== MAGIC || kind === undefined) return null;
  try {
    return new SplitRows({ kind, count, height, width, channels, classes });
  } catch (error) {
    // A damaged head may ask for more memory than there can be.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function headBytes({ kind, count, height, width, channels, classes }: SplitHead): Uint8Array {
  const bytes = Buffer.alloc(HEAD_BYTES);
  for (const [i, word] of [MAGIC, KINDS.indexOf(kind), count, height, width, channels, classes].entries()) bytes.writeUInt32LE(word, 4 * i);
  return bytes;
}

/** Removes splits, whole or not, beyond the limits; never the last one that came, nor one that another process fetches. */
async function makeRoom(last: string, { limitBytes, wallMs }: SplitRoom): Promise<void> {
  const folder = dirname(last);
  const names = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX) || name.endsWith(SUFFIX + UNFINISHED));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      const { size = 0, mtimeMs = 0 } = (await stat(file).catch(ifThere)) ?? {};
      return { file, size, usedMs: file === last ? Number.POSITIVE_INFINITY : mtimeMs };
    }),
  );
  let [count, bytes] = [0, 0];
  for (const { file, size, usedMs } of found.sort((a, b) => b.usedMs - a.usedMs)) {
    const isUnderWay = file.endsWith(UNFINISHED) && wallMs - usedMs < UNDER_WAY_MS;
    const hasRoom = count < SPLITS_MAX && bytes + size <= limitBytes;
    if (file !== last && !isUnderWay && !hasRoom) await rm(file, { force: true });
    else [count, bytes] = [count + 1, bytes + size];
  }
}

/** Nothing, for a file that is not there; throws any other error. */
function ifThere(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error;
}
