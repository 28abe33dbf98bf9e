/** The cache folder: the user's folder for files that can be fetched again. All copies of the program share it. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The path in `STILLHOUSE_CACHE`, or else the folder `stillhouse` in XDG_CACHE_HOME or ~/.cache (XDG Base Directory
 * Specification: a relative XDG_CACHE_HOME is ignored). The folder may not exist yet.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const own = env.STILLHOUSE_CACHE;
  if (own !== undefined && own !== '') return own;
  const base = env.XDG_CACHE_HOME;
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'stillhouse');
}
