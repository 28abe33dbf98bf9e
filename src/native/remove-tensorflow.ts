/** Removes the engine `tensorflow` from the cache folder: every release, and the work folders of installs. */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { sizeOnDisk } from './folder-size.js';
import { FOLDER_PREFIX, nativeWork } from './layout.js';
import { freeLock, takeLock } from './lock.js';

/** Removes all parts and answers the freed bytes; zero when there were none. Throws `install.busy` while another process installs. */
export async function removeTensorflow(cache?: string): Promise<number> {
  const work = nativeWork(cache);
  if ((await foldersIn(work.cache)).length === 0) return 0;
  const holder = await takeLock(work.lock);
  if (holder !== null) {
    throw new StillhouseError('install.busy', `${holder} installs or removes the engine tensorflow`, {
      hint: 'Wait until it ends, or stop it first',
    });
  }
  try {
    let bytes = 0;
    for (const folder of await foldersIn(work.cache)) {
      bytes += await sizeOnDisk(folder);
      await rm(folder, { recursive: true, force: true });
    }
    return bytes;
  } finally {
    await freeLock(work.lock);
  }
}

async function foldersIn(cache: string): Promise<readonly string[]> {
  const names = await readdir(cache).catch(() => []);
  return names.filter((name) => name.startsWith(FOLDER_PREFIX)).map((name) => join(cache, name));
}
