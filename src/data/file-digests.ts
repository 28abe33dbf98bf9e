/**
 * The SHA-256 of the bytes of many files, in a cache by path, size and times of change, so that a data set is read whole once for its fingerprint and
 * not again while its files stay as they are. Each file that is read is checked as far as that takes no decoding, so a digest that is known is that of a file that is
 * whole.
 *
 * Invariants: a digest is found only while the file has the path, size and times that it had then; there is a file of the cache for each folder, at most
 * {@link FOLDERS_MAX} of them, and it appears whole. A cache that cannot be read or written costs time and nothing else, so that is no error.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeFolder } from '../process/make-folder.js';
import { fileOf } from './coded-source.js';
import { damaged, unreadable } from './data-file.js';
import { DIGEST_BYTES } from './digest-bytes.js';
import type { ImageIndex } from './folder-index.js';
import { checkCoded } from './image/decode.js';
import { CODED_BYTES_MAX } from './image/rgb-image.js';

/** The most folders that are kept. The one that was written first makes room. */
export const FOLDERS_MAX = 16;
/** The files that are looked at, or read, at a time. */
const AT_A_TIME = 16;
const SMALL_BYTES = 8 * 2 ** 20;
const STAMP_BYTES = 16;
const RECORD_BYTES = STAMP_BYTES + DIGEST_BYTES;
const SUFFIX = '.digests';

export interface FileDigests {
  /** [count]: the bytes of each file. */
  readonly sizes: Float64Array<SharedArrayBuffer>;
  /** [count]: when each file was written last, in nanoseconds since 1970. */
  readonly times: BigInt64Array<SharedArrayBuffer>;
  /** [count, DIGEST_BYTES] */
  readonly digests: Uint8Array;
}

/** Digests that were computed before, in a folder of the user's cache. */
export class DigestCache {
  readonly #folder: string;

  /** `folder` need not exist yet. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The sizes and digests of the files of an index. Reads those that it does not know. Throws data.missing, and data.damaged about a file that is no whole image, or changes meanwhile. */
  async of(index: ImageIndex): Promise<FileDigests> {
    const { count } = index;
    const sizes = new Float64Array(new SharedArrayBuffer(8 * count));
    const times = new BigInt64Array(new SharedArrayBuffer(8 * count));
    const records = Buffer.alloc(count * RECORD_BYTES);
    await forEach(count, async (i) => {
      const { stamp, size, time } = await stampOf(fileOf(index, i));
      sizes[i] = size;
      times[i] = time;
      stamp.copy(records, i * RECORD_BYTES);
    });
    const known = new KnownRecords(await this.#read(index.folder));
    const unknown: number[] = [];
    const recordOf = (i: number) => records.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    for (let i = 0; i < count; i++) {
      if (!known.complete(recordOf(i), i)) unknown.push(i);
    }
    const digest = async (i: number) => {
      const file = fileOf(index, i);
      (await digestOf(file)).copy(records, i * RECORD_BYTES + STAMP_BYTES);
      if (!(await stampOf(file)).stamp.equals(recordOf(i).subarray(0, STAMP_BYTES))) throw damaged(file, 0, 'changes while it is read');
    };
    // Files are read whole: of large ones, one at a time.
    const [small, large] = [unknown.filter((i) => sizes[i]! <= SMALL_BYTES), unknown.filter((i) => sizes[i]! > SMALL_BYTES)];
    await forEach(small.length, (place) => digest(small[place]!));
    for (const i of large) await digest(i);
    if (unknown.length > 0) await this.#write(index.folder, records);
    const digests = new Uint8Array(count * DIGEST_BYTES);
    for (let i = 0; i < count; i++) digests.set(recordOf(i).subarray(STAMP_BYTES), i * DIGEST_BYTES);
    return { sizes, times, digests };
  }

  #fileOf(folder: string): string {
    return join(this.#folder, createHash('sha256').update(resolve(folder)).digest('hex') + SUFFIX);
  }

  /** The records that were written last for a folder. A missing or damaged file counts as empty. */
  async #read(folder: string): Promise<Buffer> {
    const bytes = await readFile(this.#fileOf(folder)).catch(() => Buffer.alloc(0));
    // The last digest is that of all before: a file that is damaged is not believed.
    const end = bytes.length - DIGEST_BYTES;
    const isWhole = end >= 0 && end % RECORD_BYTES === 0 && sha256(bytes.subarray(0, end)).equals(bytes.subarray(end));
    return isWhole ? bytes.subarray(0, end) : Buffer.alloc(0);
  }

  async #write(folder: string, records: Buffer): Promise<void> {
    const file = this.#fileOf(folder);
    const unfinished = `${file}.${randomUUID()}`;
    try {
      await makeFolder(this.#folder);
      await writeFile(unfinished, Buffer.concat([records, sha256(records)]));
      await rename(unfinished, file);
      await this.#makeRoom();
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined);
    }
  }

  async #makeRoom(): Promise<void> {
    const files = (await readdir(this.#folder)).filter((name) => name.endsWith(SUFFIX)).map((name) => join(this.#folder, name));
    const written = await Promise.all(files.map(async (file) => ({ file, at: (await stat(file)).mtimeMs })));
    const oldest = written.sort((a, b) => b.at - a.at).slice(FOLDERS_MAX);
    await Promise.all(oldest.map(({ file }) => rm(file, { force: true })));
  }
}

/** Records by their stamps. As long as no file came or went, each is at the place that it had, and nothing is made to find it. */
class KnownRecords {
  readonly #records: Buffer;
  /** The first byte of each record, by stamp. */
  #places: Map<string, number> | null = null;

  constructor(records: Buffer) {
    this.#records = records;
  }

  /** Writes the digest into a record that has its stamp; false when it is not known. `place`: the one that it probably has here. */
  complete(record: Buffer, place: number): boolean {
    const from = this.#hasStamp(record, place * RECORD_BYTES) ? place * RECORD_BYTES : this.#find(record);
    if (from === undefined) return false;
    this.#records.copy(record, STAMP_BYTES, from + STAMP_BYTES, from + RECORD_BYTES);
    return true;
  }

  #hasStamp(record: Buffer, at: number): boolean {
    return at < this.#records.length && record.compare(this.#records, at, at + STAMP_BYTES, 0, STAMP_BYTES) === 0;
  }

  #find(record: Buffer): number | undefined {
    this.#places ??= this.#byStamp();
    return this.#places.get(record.toString('latin1', 0, STAMP_BYTES));
  }

  #byStamp(): Map<string, number> {
    const places = new Map<string, number>();
    for (let at = 0; at < this.#records.length; at += RECORD_BYTES) places.set(this.#records.toString('latin1', at, at + STAMP_BYTES), at);
    return places;
  }
}

/** Runs the work for 0 to count - 1, some at a time, up to the first that fails. */
async function forEach(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const takeOn = async () => {
    try {
      while (next < count) await work(next++);
    } catch (error) {
      next = count;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, takeOn));
}

/** The time of change of the file's entry (ctime) is the system's own: copying a file with its old date does not hide it. */
async function stampOf(file: string): Promise<{ readonly stamp: Buffer; readonly size: number; readonly time: bigint }> {
  const found = await stat(file, { bigint: true }).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const { size, mtimeNs, ctimeNs } = found;
  if (size > CODED_BYTES_MAX) throw damaged(file, CODED_BYTES_MAX, `has ${size} bytes, more than an image may have`);
  return { stamp: sha256(`${resolve(file)}\n${size}\n${mtimeNs}\n${ctimeNs}`).subarray(0, STAMP_BYTES), size: Number(size), time: mtimeNs };
}

/** Throws data.damaged when the file is no whole image, as far as that shows without decoding. */
async function digestOf(file: string): Promise<Buffer> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  checkCoded(file, bytes);
  return sha256(bytes);
}

function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}
