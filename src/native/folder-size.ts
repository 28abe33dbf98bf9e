/** The size of a folder on disk. */

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The bytes of a file, or of all files under a folder; links are not followed. Zero when it does not exist. */
export async function sizeOnDisk(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const name of await readdir(path)) bytes += await sizeOnDisk(join(path, name));
  return bytes;
}
