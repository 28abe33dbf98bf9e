/** A small file that is replaced whole: after a crash it has the old content or the new one, never half of one. */

import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';

/** Writes the content to a file beside, syncs it, and renames it to `file`. Throws `run.unwritable`. */
export async function writeFileAtomic(file: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${file}.unfinished`;
  try {
    const handle = await open(unfinished, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
    await nodeFileSystem.syncFolder(dirname(file));
  } catch (error) {
    throw new StillhouseError('run.unwritable', `cannot be written: ${messageOf(error)}`, { file, cause: error });
  }
}
