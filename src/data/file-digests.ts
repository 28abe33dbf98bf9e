/**
 * The SHA-256 of the bytes of many images, in a cache by path, size and times of change of their files, so that a data set is read whole once for its fingerprint and
 * not again while its files stay as they are. Each image that is read is checked as far as that takes no decoding, so a digest that is known is that of an image that is
 * whole.
 *
 * Invariants: a digest is found only while the file has the path, size and times that it had then; there is a file of the cache for each part of a data set, at most
 * {@link FOLDERS_MAX} of them.
 */

import { open, readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { fileNumberOf, pathOf, withinFile } from './coded-source.js';
import { damaged, unreadable } from './data-file.js';
import { DIGEST_BYTES } from './digest-bytes.js';
import { forEach } from './for-each.js';
import { checkCoded } from './image/decode.js';
import { CODED_BYTES_MAX } from './image/rgb-image.js';
import type { ImageIndex } from './image-index.js';
import { KeptFiles, sha256 } from './kept-file.js';

/** The most parts of data sets whose digests are kept. The one that was written first makes room. */
export const FOLDERS_MAX = 16;
/** The files that are looked at, or read, at a time. */
const AT_A_TIME = 16;
const SMALL_BYTES = 8 * 2 ** 20;
const STAMP_BYTES = 16;
const RECORD_BYTES = STAMP_BYTES + DIGEST_BYTES;
/** The number of stamps that are made before the event loop has its turn. */
const STAMPS_A_TURN = 4096;

/** F is the number of files, `count` that of images. */
export interface FileDigests {
  /** [F]: the bytes of each file. */
  readonly sizes: Float64Array<SharedArrayBuffer>;
  /** [F]: when each file was written last, in nanoseconds since 1970. */
  readonly times: BigInt64Array<SharedArrayBuffer>;
  /** [count, DIGEST_BYTES] */
  readonly digests: Uint8Array;
}

/** Digests that were computed before, in a folder of the user's cache. */
export class DigestCache {
  readonly #kept: KeptFiles;

  /** `folder` need not exist yet. */
  constructor(folder: string) {
    this.#kept = new KeptFiles({ folder, suffix: '.digests', most: FOLDERS_MAX });
  }

  /** The sizes of the files and the digests of the images of an index. Reads those that it does not know. Throws data.missing, and data.damaged about an image that is not whole, or a file that changes meanwhile. */
  async of(index: ImageIndex): Promise<FileDigests> {
    const { count } = index;
    const files = await lookAt(index);
    const records = Buffer.alloc(count * RECORD_BYTES);
    const recordOf = (i: number) => records.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    const name = resolve(index.source);
    const before = await this.#kept.read(name);
    const known = new KnownRecords(before.length % RECORD_BYTES === 0 ? before : Buffer.alloc(0));
    const unknown: number[] = [];
    for (let i = 0; i < count; i++) {
      stampOf(index, files, i).copy(recordOf(i));
      if (!known.complete(recordOf(i), i)) unknown.push(i);
      if (i % STAMPS_A_TURN === 0) await setImmediate();
    }
    const digest = async (i: number) => {
      (await digestOf(index, i)).copy(recordOf(i), STAMP_BYTES);
      await requireSame(index, files, fileNumberOf(index, i));
    };
    // Images are read whole: of large ones, one at a time.
    const isSmall = (i: number) => spanOf(index, files, i).length <= SMALL_BYTES;
    const [small, large] = [unknown.filter(isSmall), unknown.filter((i) => !isSmall(i))];
    await forEach(small.length, AT_A_TIME, (place) => digest(small[place]!));
    for (const i of large) await digest(i);
    if (unknown.length > 0) await this.#kept.write(name, [records]);
    const digests = new Uint8Array(count * DIGEST_BYTES);
    for (let i = 0; i < count; i++) digests.set(recordOf(i).subarray(STAMP_BYTES), i * DIGEST_BYTES);
    return { sizes: files.sizes, times: files.times, digests };
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

/** The sizes and times of the files of an index, [F] each. */
interface LookedAt extends Pick<FileDigests, 'sizes' | 'times'> {
  /** The times of change of the files' entries (ctime), which are the system's own: copying a file with its old date does not hide it. */
  readonly changes: BigInt64Array;
}

async function lookAt(index: ImageIndex): Promise<LookedAt> {
  const count = index.offsets.length - 1;
  const sizes = new Float64Array(new SharedArrayBuffer(8 * count));
  const times = new BigInt64Array(new SharedArrayBuffer(8 * count));
  const changes = new BigInt64Array(count);
  await forEach(count, AT_A_TIME, async (i) => {
    const file = pathOf(index, i);
    const { size, mtimeNs, ctimeNs } = await statOf(file);
    if (index.pieces === null && size > CODED_BYTES_MAX) {
      throw damaged(file, CODED_BYTES_MAX, `has ${size} bytes, more than an image may have`);
    }
    sizes[i] = Number(size);
    times[i] = mtimeNs;
    changes[i] = ctimeNs;
  });
  return { sizes, times, changes };
}

/** Throws data.damaged when the file of this number is not as it was. */
async function requireSame(index: ImageIndex, { sizes, times, changes }: LookedAt, number: number): Promise<void> {
  const file = pathOf(index, number);
  const { size, mtimeNs, ctimeNs } = await statOf(file);
  if (Number(size) !== sizes[number] || mtimeNs !== times[number] || ctimeNs !== changes[number]) {
    throw damaged(file, 0, 'changes while it is read');
  }
}

function stampOf(index: ImageIndex, files: LookedAt, sample: number): Buffer {
  const number = fileNumberOf(index, sample);
  const text = `${resolve(pathOf(index, number))}\n${files.sizes[number]}\n${files.times[number]}\n${files.changes[number]}`;
  const { start, length } = spanOf(index, files, sample);
  return sha256(index.pieces === null ? text : `${text}\n${start}\n${length}`).subarray(0, STAMP_BYTES);
}

function spanOf({ pieces }: ImageIndex, { sizes }: LookedAt, sample: number): { readonly start: number; readonly length: number } {
  if (pieces === null) return { start: 0, length: sizes[sample]! };
  return { start: pieces.starts[sample]!, length: pieces.lengths[sample]! };
}

/** Throws data.damaged when the image is not whole, as far as that shows without decoding. */
async function digestOf(index: ImageIndex, sample: number): Promise<Buffer> {
  const file = pathOf(index, fileNumberOf(index, sample));
  const { pieces } = index;
  if (pieces === null) {
    const bytes = await readFile(file).catch((error: unknown) => {
      throw unreadable(file, error);
    });
    checkCoded(file, bytes);
    return sha256(bytes);
  }
  const start = pieces.starts[sample]!;
  const bytes = await readPiece(file, start, pieces.lengths[sample]!);
  withinFile(start, () => checkCoded(file, bytes));
  return sha256(bytes);
}

async function readPiece(file: string, start: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length);
  try {
    const handle = await open(file);
    try {
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
        if (bytesRead === 0) throw damaged(file, start + done, 'became shorter while it is read');
        done += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof StillhouseError ? error : unreadable(file, error);
  }
}

function statOf(file: string) {
  return stat(file, { bigint: true }).catch((error: unknown) => {
    throw unreadable(file, error);
  });
}
