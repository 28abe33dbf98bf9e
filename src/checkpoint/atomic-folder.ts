/**
 * A folder that appears under its name with all its files synced to the disk, or does not appear at all. It is written
 * under a name that starts with a dot, and renamed when it is whole. No checkpoint and no stage has a name with a dot
 * at its start.
 */

import { join } from 'node:path';
import type { FileSystem } from './file-system.js';

/** Bytes that are written or read at once: enough to be fast, and few enough to hash without holding up the event loop. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

const UNFINISHED = '.unfinished-';
const DISCARDED = '.discarded-';

/** Adds one file, and calls `onChunk` with each chunk before it is written. Resolves when all bytes are on the disk. */
export type AddFile = (name: string, bytes: Uint8Array, onChunk?: (chunk: Uint8Array) => void) => Promise<void>;

/** The place of a folder that is to appear, in a parent that is there. */
export interface FolderTarget {
  readonly fs: FileSystem;
  readonly parent: string;
  readonly name: string;
}

/**
 * Makes the folder `parent`/`name`, in a parent that is there, from the files that `fill` adds. When `fill` or a write fails, it removes the
 * unfinished folder if it can, and rejects with the first error. An older folder of that name is replaced only when
 * the new one is whole.
 */
export async function writeFolder(target: FolderTarget, fill: (add: AddFile) => Promise<void>): Promise<void> {
  const folder = new UnfinishedFolder(target);
  try {
    await folder.begin();
    await fill((name, bytes, onChunk) => folder.write(name, bytes, { isNew: true, onChunk }));
    await folder.finish();
  } catch (error) {
    await folder.abandon();
    throw error;
  }
}

/** A folder under way. It holds no file open between two calls, so it may be left as it is: the next start sweeps it. */
export class UnfinishedFolder {
  readonly #target: FolderTarget;
  readonly #path: string;
  #isNamed = false;

  constructor(target: FolderTarget) {
    this.#target = target;
    this.#path = join(target.parent, UNFINISHED + target.name);
  }

  /** Makes the folder, empty: the rest of an earlier try is removed. */
  async begin(): Promise<void> {
    const { fs } = this.#target;
    await fs.remove(this.#path);
    await fs.addFolder(this.#path);
  }

  /** Writes a new file, or on at the end of one; the bytes are on the disk when it resolves. `onChunk` is called with each chunk before it is written. */
  async write(name: string, bytes: Uint8Array, { isNew, onChunk }: WriteOptions): Promise<void> {
    const { fs } = this.#target;
    const path = join(this.#path, name);
    const file = await (isNew ? fs.create(path) : fs.append(path));
    try {
      for (let start = 0; start < bytes.byteLength; start += CHUNK_BYTES) {
        const chunk = bytes.subarray(start, Math.min(start + CHUNK_BYTES, bytes.byteLength));
        onChunk?.(chunk);
        await file.write(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Gives the folder its name. An older folder of that name is replaced. */
  async finish(): Promise<void> {
    const { fs, parent, name } = this.#target;
    await fs.syncFolder(this.#path);
    await discardFolder(this.#target);
    await fs.rename(this.#path, join(parent, name));
    this.#isNamed = true;
    await fs.syncFolder(parent);
  }

  /** Removes the folder if it can, and if it has no name yet. Never rejects. */
  async abandon(): Promise<void> {
    // The caller has an error of its own to tell. If the folder cannot be removed, the next start sweeps it.
    if (!this.#isNamed) await this.#target.fs.remove(this.#path).catch(() => undefined);
  }
}

interface WriteOptions {
  readonly isNew: boolean;
  readonly onChunk?: ((chunk: Uint8Array) => void) | undefined;
}

/** Removes a folder; a crash cannot leave half of it under its name. No error when the folder does not exist. */
export async function discardFolder({ fs, parent, name }: { fs: FileSystem; parent: string; name: string }): Promise<void> {
  if (!(await fs.listFolder(parent)).includes(name)) return;
  const discarded = join(parent, DISCARDED + name);
  await fs.remove(discarded);
  await fs.rename(join(parent, name), discarded);
  await fs.syncFolder(parent);
  await fs.remove(discarded);
}

/** Removes the unfinished and half removed folders that a crash left. Only for the process that writes to `parent`. */
export async function sweepFolder(fs: FileSystem, parent: string): Promise<void> {
  for (const name of await fs.listFolder(parent)) {
    if (name.startsWith(UNFINISHED) || name.startsWith(DISCARDED)) await fs.remove(join(parent, name));
  }
}
