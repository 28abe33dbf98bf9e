/**
 * The arrays of a NumPy archive (.npz): a zip archive whose members NAME.npy are array files, stored or deflated.
 *
 * Invariants: no more memory is taken than the archive's own size allows; a member is whole, and has its checksum, once `end` returns. Offsets in errors
 * count the bytes of the member once it is inflated; of the archive, where it is not about a member's content.
 */

import type { Readable } from 'node:stream';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { crc32 } from './crc32.js';
import { damaged, fileBytes, unreadable } from './data-file.js';
import { type NpyHeader, readNpyHeader } from './npy-header.js';

/** Deflate makes at most so many bytes of one. */
const INFLATED_MOST = 1032;
const DEFLATED = 8;

/** An archive that is open. The caller closes it. */
export class NpzFile {
  readonly file: string;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #streams: Readable[] = [];

  private constructor(file: string, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.file = file;
    this.#zip = zip;
    this.#entries = entries;
  }

  /** Throws data.missing, and data.damaged about a file that is no whole zip archive. */
  static async open(file: string): Promise<NpzFile> {
    const size = await fileBytes(file);
    const zip = await openPromise(file, { autoClose: false }).catch((error: unknown) => {
      throw zipFault(file, size, error);
    });
    try {
      const entries = new Map<string, Entry>();
      for await (const entry of zip.eachEntry()) {
        if (entries.has(entry.fileName)) throw damaged(file, entry.relativeOffsetOfLocalHeader, `has the member ${entry.fileName} twice`);
        entries.set(entry.fileName, entry);
      }
      return new NpzFile(file, zip, entries);
    } catch (error) {
      zip.close();
      throw error instanceof StillhouseError ? error : zipFault(file, size, error);
    }
  }

  /** The array of this name, with its header read. Throws data.damaged, also where there is none. */
  async array(name: string): Promise<NpyArray> {
    const member = `${name}.npy`;
    const entry = this.#entries.get(member);
    if (entry === undefined) {
      const names = [...this.#entries.keys()].map((own) => own.replace(/\.npy$/, ''));
      throw new StillhouseError('data.damaged', `has no array ${name}; it has ${names.slice(0, 16).join(', ')}`, {
        file: this.file,
        hint: 'Say in the recipe which arrays it has, as in npz: { images: x_train, labels: y_train }',
      });
    }
    const { uncompressedSize: size, compressedSize, compressionMethod, relativeOffsetOfLocalHeader: start } = entry;
    const most = compressionMethod === DEFLATED ? INFLATED_MOST * (compressedSize + 1) : compressedSize;
    if (size > most) throw damaged(this.file, start, `member ${member} claims ${size} bytes, made of ${compressedSize}`);
    const stream = await this.#zip.openReadStreamPromise(entry).catch((error: unknown) => {
      throw zipFault(this.file, start, error);
    });
    this.#streams.push(stream);
    return NpyArray.open({ file: this.file, member, entry, stream });
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#zip.close();
  }
}

interface OpenMember {
  readonly file: string;
  readonly member: string;
  readonly entry: Entry;
  readonly stream: Readable;
}

/** An array whose elements are read, once and in order. */
export class NpyArray {
  readonly #member: OpenMember;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #done = 0;
  #crc = 0;
  #header: NpyHeader | null = null;

  private constructor(member: OpenMember) {
    this.#member = member;
    this.#chunks = member.stream[Symbol.asyncIterator]();
  }

  static async open(member: OpenMember): Promise<NpyArray> {
    const array = new NpyArray(member);
    array.#header = await readNpyHeader(
      (bytes) => array.#next(bytes),
      (offset, what) => array.fault(offset, what),
    );
    return array;
  }

  get header(): NpyHeader {
    return this.#header!;
  }

  /** The bytes of all elements. */
  get bytes(): number {
    return this.#member.entry.uncompressedSize - this.header.bytes;
  }

  /** The error data.damaged about a byte of the member. It is not thrown here. */
  fault(offset: number, what: string, hint = 'Download or copy the file again'): StillhouseError {
    const { file, member } = this.#member;
    return new StillhouseError('data.damaged', `member ${member}: ${what}`, { file, offset, hint });
  }

  /** Reads all elements into memory of their size, and to the end of the member. Throws data.damaged. */
  async read(target: Uint8Array): Promise<void> {
    await this.#fill(target);
    const { entry } = this.#member;
    const more = await this.#chunk();
    if (this.#rest.length > 0 || more !== null) throw this.fault(this.#done, 'there are bytes after its elements');
    if (this.#crc !== entry.crc32) throw this.fault(0, 'its checksum is wrong: some of its bytes are not those that were written');
  }

  async #next(bytes: number): Promise<Buffer> {
    const target = Buffer.alloc(bytes);
    await this.#fill(target);
    return target;
  }

  async #fill(target: Uint8Array): Promise<void> {
    let at = 0;
    while (at < target.length) {
      if (this.#rest.length === 0) {
        const chunk = await this.#chunk();
        if (chunk === null) throw this.fault(this.#done, `cut short: it ends after ${this.#done} bytes`);
        this.#rest = chunk;
      }
      const piece = this.#rest.subarray(0, target.length - at);
      target.set(piece, at);
      at += piece.length;
      this.#done += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
  }

  async #chunk(): Promise<Buffer | null> {
    try {
      const { value, done } = await this.#chunks.next();
      if (done === true) return null;
      this.#crc = crc32(value, this.#crc);
      return value;
    } catch (error) {
      if (isOfSystem(error)) throw unreadable(this.#member.file, error);
      throw this.fault(this.#done, `its bytes are broken from here on: ${messageOf(error)}`);
    }
  }
}

function zipFault(file: string, offset: number, error: unknown): StillhouseError {
  if (isOfSystem(error)) return unreadable(file, error);
  return damaged(file, offset, `is no whole zip archive: ${messageOf(error)}`);
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
