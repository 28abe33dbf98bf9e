/**
 * The few file-system calls that the store makes, as an interface, so that a test can fail or crash at each of them.
 * Paths are absolute. A call that fails rejects with Node's own error.
 */

import { constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../errors/stillhouse-error.js';

export interface WritableFile {
  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when all written bytes are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadableFile {
  readonly size: number;
  /** Reads on from the end of the last read, fills `into`, and answers the number of bytes: fewer only at the file's end. */
  read(into: Uint8Array): Promise<number>;
  /** Reads from this byte of the file on, wherever the last read ended; otherwise as `read`. */
  readAt(into: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface FileSystem {
  /** Makes a folder and its parents; no error when it exists. */
  makeFolder(path: string): Promise<void>;
  /** Makes a folder in one that is there; no error when it exists. Rejects when the one above is gone. */
  addFolder(path: string): Promise<void>;
  /** The names of the files and folders in a folder. */
  listFolder(path: string): Promise<readonly string[]>;
  /** Resolves when the folder's entries are on the disk. */
  syncFolder(path: string): Promise<void>;
  /** Makes a new file; rejects when it exists. */
  create(path: string): Promise<WritableFile>;
  /** Opens a file to write on at its end; rejects when it is not there. */
  append(path: string): Promise<WritableFile>;
  open(path: string): Promise<ReadableFile>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with everything in it; no error when it does not exist. */
  remove(path: string): Promise<void>;
}

/** Folder by folder: with `recursive`, Node calls a place that is read-only a missing one. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(path)).isDirectory()) return;
    if (!hasCode(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path);
  }
}

async function addFolder(path: string): Promise<void> {
  await mkdir(path).catch(async (error: unknown) => {
    if (!hasCode(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error;
  });
}

function writable(handle: FileHandle): WritableFile {
  return {
    async write(bytes) {
      let done = 0;
      while (done < bytes.byteLength) done += (await handle.write(bytes, done)).bytesWritten;
    },
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

/** Reads until `into` is full or the file ends; from `position` on, or where the last read ended. Answers the number of bytes. */
async function fill(handle: FileHandle, into: Uint8Array, position: number | null): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const { bytesRead } = await handle.read(into, done, into.byteLength - done, position === null ? null : position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export const nodeFileSystem: FileSystem = {
  makeFolder,
  addFolder,
  listFolder: (path) => readdir(path),

  async syncFolder(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  async create(path) {
    return writable(await open(path, 'wx'));
  },

  async append(path) {
    return writable(await open(path, constants.O_WRONLY | constants.O_APPEND));
  },

  async open(path) {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return {
      size,
      read: (into) => fill(handle, into, null),
      readAt: (into, position) => fill(handle, into, position),
      close: () => handle.close(),
    };
  },

  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),
};
