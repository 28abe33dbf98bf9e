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

/**
 * Makes the folder `parent`/`name`, in a parent that is there, from the files that `fill` adds. When `fill` or a write fails, it removes the
 * unfinished folder if it can, and rejects with the first error. An older folder of that name is replaced only when
 * the new one is whole.
 */
export async function writeFolder(
  target: { fs: FileSystem; parent: string; name: string },
  fill: (add: AddFile) => Promise<void>,
): Promise<void> {
  const { fs, parent, name } = target;
  const unfinished = join(parent, UNFINISHED + name);
  try {
    await fs.remove(unfinished);
    await fs.addFolder(unfinished);
    await fill((file, bytes, onChunk) => writeFile(fs, { path: join(unfinished, file), bytes, onChunk }));
    await fs.syncFolder(unfinished);
    await discardFolder(target);
    await fs.rename(unfinished, join(parent, name));
  } catch (error) {
    // The caller needs the first error. If the folder cannot be removed, the next start sweeps it.
    await fs.remove(unfinished).catch(() => undefined);
    throw error;
  }
  await fs.syncFolder(parent);
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

async function writeFile(
  fs: FileSystem,
  { path, bytes, onChunk }: { path: string; bytes: Uint8Array; onChunk: ((chunk: Uint8Array) => void) | undefined },
): Promise<void> {
  const file = await fs.create(path);
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
