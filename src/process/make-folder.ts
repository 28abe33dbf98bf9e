/** Makes a folder, with those above it. */

import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../errors/stillhouse-error.js';

/**
 * Makes the folder and those above it, where they are missing. Throws the error of the system. Node's own `recursive` tries for ever where
 * a folder is there and nothing can be made in it because "there is no such file": /proc, and the root of an automounter (/home on
 * many clusters).
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    if (!hasCode(error, 'ENOENT') || parent === path) throw error;
    // It may be there by now: others make it, too.
    if (!(await isFolder(parent))) await makeFolder(parent);
    await mkdir(path).catch(async (again: unknown) => {
      if (!(await isFolder(path))) throw again;
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
