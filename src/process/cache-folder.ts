/** Where the program keeps what it can bring again: a folder of the user, shared by all copies of the program. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * `STILLHOUSE_CACHE`, or `stillhouse` in the user's cache folder (XDG Base Directory Specification: a relative
 * XDG_CACHE_HOME does not count). It may not exist yet.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const own = env.STILLHOUSE_CACHE;
  if (own !== undefined && own !== '') return own;
  const base = env.XDG_CACHE_HOME;
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'stillhouse');
}
