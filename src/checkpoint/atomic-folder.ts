/**
 * A folder that appears under its name with all its files, on the disk, or does not appear. It is written under a
 * name that starts with a dot, which no checkpoint and no stage can have, and renamed when it is whole.
 */

import { join } from 'node:path';
import type { FileSystem } from './file-system.js';

/** Written or read at a time: long enough to be fast, short enough not to hold up the event loop while it is hashed. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

const UNFINISHED = '.unfinished-';
const DISCARDED = '.discarded-';

/** Adds one file. Resolves when its bytes are on the disk. */
export type AddFile = (name: string, bytes: Uint8Array, onChunk?: (chunk: Uint8Array) => void) => Promise<void>;

/**
 * Makes `parent`/`name` of the files that `fill` adds. When `fill` throws, or anything fails, nothing is there, the
 * unfinished folder is removed as far as that works, and the error is passed on. An older folder of that name is
 * replaced only when the new one is whole.
 */
export async function writeFolder(
  target: { fs: FileSystem; parent: string; name: string },
  fill: (add: AddFile) => Promise<void>,
): Promise<void> {
  const { fs, parent, name } = target;
  const unfinished = join(parent, UNFINISHED + name);
  try {
    await fs.remove(unfinished);
    await fs.makeFolder(unfinished);
    await fill((file, bytes, onChunk) => writeFile(fs, { path: join(unfinished, file), bytes, onChunk }));
    await fs.syncFolder(unfinished);
    await discardFolder(target);
    await fs.rename(unfinished, join(parent, name));
  } catch (error) {
    // The first error is the one to tell; what cannot be removed is swept at the next start.
    await fs.remove(unfinished).catch(() => undefined);
    throw error;
  }
  await fs.syncFolder(parent);
}

/** Takes a folder away, so that no crash leaves half of it under its name. No error when it is not there. */
export async function discardFolder({ fs, parent, name }: { fs: FileSystem; parent: string; name: string }): Promise<void> {
  if (!(await fs.listFolder(parent)).includes(name)) return;
  const discarded = join(parent, DISCARDED + name);
  await fs.remove(discarded);
  await fs.rename(join(parent, name), discarded);
  await fs.syncFolder(parent);
  await fs.remove(discarded);
}

/** Removes what a crash left unfinished or half removed. Only for the one writer of `parent`. */
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
