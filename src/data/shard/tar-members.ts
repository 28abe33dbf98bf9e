/**
 * The members of a tar archive, with the byte of the file where the content of each begins. It reads the headers, and steps over the contents, so the
 * time depends on the number of members and hardly on their sizes.
 */

import { type FileHandle, open } from 'node:fs/promises';
import type { StillhouseError } from '../../errors/stillhouse-error.js';
import { damaged, unreadable } from '../data-file.js';
import { BLOCK_BYTES, isZero, readPax, readTarHeader, type TarHeader, textOf } from './tar-header.js';

export interface TarMember {
  readonly name: string;
  /** Whether it is a file; links and devices are none. Folders are left out. */
  readonly isFile: boolean;
  /** The byte where its headers begin. */
  readonly header: number;
  /** The byte where its content begins. */
  readonly start: number;
  /** The bytes of its content. */
  readonly size: number;
}

/** The bytes that are read at a time: those of several headers and short members. */
const WINDOW_BYTES = 8192;
/** A longer name or extended header counts as broken. */
const EXTENDED_BYTES_MAX = 1024 * 1024;
/** The bytes after the mark of the end that are looked at. */
const AFTER_END_BYTES = 1024 * 1024;
const FILE_TYPES = '07';
/** Types that have no content, whatever their size says: links, devices, folders, pipes. */
const WITHOUT_CONTENT = '123456';
const FOLDER = '5';
/** Headers about the next member, or about all of them. */
const EXTENDED_TYPES = 'xgLK';

/** An archive that is open. The caller closes it. */
export class TarFile {
  readonly #name: string;
  readonly #handle: FileHandle;
  readonly #bytes: number;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  private constructor(name: string, handle: FileHandle, bytes: number) {
    this.#name = name;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** Opens `path`; messages name the archive by `name`. Throws data.missing. */
  static async open(path: string, name: string): Promise<TarFile> {
    const handle = await open(path).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    return new TarFile(name, handle, (await handle.stat()).size);
  }

  /** The error data.damaged at a byte of the archive. It is not thrown here. */
  fault(offset: number, what: string): StillhouseError {
    return damaged(this.#name, offset, what);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The members in their order. Throws data.damaged, also when the mark of the archive's end is not there. */
  async *members(): AsyncGenerator<TarMember> {
    const fault = (offset: number, what: string) => this.fault(offset, what);
    let extended: Extended = {};
    let header: number | null = null;
    for (let at = 0; ; ) {
      if (at >= this.#bytes) throw fault(this.#bytes, 'cut short: the mark of its end is not there');
      const block = await this.read(at, BLOCK_BYTES);
      if (isZero(block)) return this.#requireEnd(at);
      const found = readTarHeader(block, at, fault);
      header ??= at;
      const start = at + BLOCK_BYTES;
      const size = EXTENDED_TYPES.includes(found.type) ? found.size : (extended.size ?? found.size);
      const content = WITHOUT_CONTENT.includes(found.type) ? 0 : size;
      if (start + content > this.#bytes) {
        throw fault(this.#bytes, `cut short: member ${extended.name ?? found.name} needs the bytes up to ${start + content}`);
      }
      at = start + Math.ceil(content / BLOCK_BYTES) * BLOCK_BYTES;
      const more = await this.#readExtended(found, start);
      if (more !== null) {
        extended = { ...extended, ...more };
        continue;
      }
      const name = extended.name ?? found.name;
      if (found.type === 'S' || extended.isSparse === true) throw fault(header, `member ${name} is sparse, which is not read`);
      if (found.type !== FOLDER) yield { name, isFile: FILE_TYPES.includes(found.type), header, start, size: content };
      [extended, header] = [{}, null];
    }
  }

  /** These bytes of the archive. Throws data.damaged when it ends first. */
  async read(start: number, length: number): Promise<Buffer> {
    const from = start - this.#windowStart;
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length);
    const window = Buffer.allocUnsafe(Math.max(length, WINDOW_BYTES));
    let done = 0;
    while (done < window.length) {
      const { bytesRead } = await this.#handle.read(window, done, window.length - done, start + done).catch((error: unknown) => {
        throw unreadable(this.#name, error);
      });
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    if (done < length) throw this.fault(start + done, 'cut short: it ends here');
    this.#window = window.subarray(0, done);
    this.#windowStart = start;
    return this.#window.subarray(0, length);
  }

  /** The facts in a header that is about the next member; null for a header of a member. */
  async #readExtended({ type, size, name }: TarHeader, start: number): Promise<Extended | null> {
    if (!EXTENDED_TYPES.includes(type)) return null;
    if (size > EXTENDED_BYTES_MAX) throw this.fault(start, `the extended header ${name} has ${size} bytes`);
    if (type === 'g' || type === 'K') return {};
    const content = await this.read(start, size);
    if (type === 'L') return { name: textOf(content) };
    const records = readPax(content);
    if (records === null) throw this.fault(start, `the extended header ${name} is broken`);
    const own = { path: records.get('path'), size: records.get('size') };
    if (own.size !== undefined && !/^\d{1,15}$/.test(own.size))
      throw this.fault(start, `the extended header ${name} has the size ${own.size}`);
    return {
      ...(own.path === undefined ? {} : { name: own.path }),
      ...(own.size === undefined ? {} : { size: Number(own.size) }),
      ...([...records.keys()].some((key) => key.startsWith('GNU.sparse')) ? { isSparse: true } : {}),
    };
  }

  /** Throws data.damaged when an archive follows the mark of the end, as where two files were put together: programs do not read on. */
  async #requireEnd(at: number): Promise<void> {
    const end = Math.min(this.#bytes, at + AFTER_END_BYTES);
    for (let next = at; next < end; next += WINDOW_BYTES) {
      const bytes = await this.read(next, Math.min(WINDOW_BYTES, end - next));
      if (!isZero(bytes)) {
        throw this.fault(next + bytes.findIndex((byte) => byte !== 0), 'there are bytes after the mark of its end');
      }
    }
  }
}

/** Facts that extended headers give of the next member. */
interface Extended {
  readonly name?: string;
  readonly size?: number;
  readonly isSparse?: boolean;
}
