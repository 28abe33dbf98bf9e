/**
 * The rows of a split (split-rows.ts) in a file of its own, named by the split's fingerprint, so that they are fetched once. While rows are missing the file has
 * another name, and its length says how many there are: whoever was cut goes on there.
 *
 * Invariants: a file under its own name has all rows, and appears whole; it is believed only when the fingerprint of what it holds is its name; one process
 * at a time writes a split's rows; at most {@link SPLITS_MAX} splits are kept, the last ones used.
 */

import { type FileHandle, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { type SplitHead, SplitRows } from './split-rows.js';

/** The most splits that are kept. */
export const SPLITS_MAX = 32;
const SUFFIX = '.rows';
const MAGIC = 0x31726873;
const HEAD_WORDS = 7;
const HEAD_BYTES = 4 * HEAD_WORDS;
const KINDS = ['resident', 'coded'] as const;
const CHUNK_BYTES = 4 * 2 ** 20;

/** The file of the split with this fingerprint, when it has all rows. */
export function splitFile(folder: string, fingerprint: string): string {
  return join(folder, fingerprint + SUFFIX);
}

/** The rows that a file has; null when there is none, or it is no such file. Throws the errors of the system. */
export async function readRows(file: string): Promise<SplitRows | null> {
  const handle = await open(file).catch(ifThere);
  if (handle === undefined) return null;
  try {
    const rows = await startRows(handle);
    if (rows === null) return null;
    const chunk = Buffer.alloc(rows.bytes * Math.max(1, Math.floor(CHUNK_BYTES / rows.bytes)));
    for (let at = HEAD_BYTES; !rows.isWhole; ) {
      const wanted = Math.min(chunk.length, (rows.head.count - rows.count) * rows.bytes);
      const { bytesRead } = await handle.read(chunk, 0, wanted, at);
      const whole = bytesRead - (bytesRead % rows.bytes);
      if (whole === 0) break;
      rows.add(chunk.subarray(0, whole));
      at += whole;
    }
    return rows;
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

  constructor(file: string) {
    this.#file = file;
    this.#unfinished = unfinishedOf(file);
  }

  /** The rows that an earlier writer left, to go on with; null when there are none. */
  async goOn(): Promise<SplitRows | null> {
    this.#rows = await readRows(this.#unfinished);
    if (this.#rows === null) return null;
    this.#handle = await open(this.#unfinished, 'r+');
    // What follows the last whole row is the beginning of one.
    await this.#handle.truncate(HEAD_BYTES + this.#rows.count * this.#rows.bytes);
    return this.#rows;
  }

  /** Begins anew, with no rows. */
  async begin(head: SplitHead): Promise<SplitRows> {
    await this.close();
    await makeFolder(dirname(this.#file));
    this.#handle = await open(this.#unfinished, 'w+');
    await this.#handle.write(headBytes(head), 0, HEAD_BYTES, 0);
    this.#rows = new SplitRows(head);
    return this.#rows;
  }

  /** Adds whole rows, to the file and to those in memory. */
  async add(bytes: Uint8Array): Promise<void> {
    const rows = this.#rows!;
    const at = HEAD_BYTES + rows.count * rows.bytes;
    rows.add(bytes);
    await this.#handle!.write(bytes, 0, bytes.length, at);
  }

  /** Gives the file its own name, and forgets the splits that were used longest ago. All rows must be there. */
  async finish(): Promise<void> {
    await this.#handle?.sync();
    await this.close();
    await rename(this.#unfinished, this.#file);
    await makeRoom(dirname(this.#file));
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
  return `${file}.part`;
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

async function makeRoom(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX)).map((name) => join(folder, name));
  const used = await Promise.all(files.map(async (file) => ({ file, at: (await stat(file).catch(ifThere))?.mtimeMs ?? 0 })));
  const oldest = used.sort((a, b) => b.at - a.at).slice(SPLITS_MAX);
  await Promise.all(oldest.map(({ file }) => rm(file, { force: true })));
}

/** Nothing, for a file that is not there; throws any other error. */
function ifThere(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error;
}
