/** The place in a user's module from which an error came. */

import { pathToFileURL } from 'node:url';

/** Line and column from 1. */
export interface ModulePlace {
  readonly line: number;
  readonly column: number;
}

/** The innermost place of the module (an absolute path) in the error's stack; null when the error did not come through it. */
export function placeInModule(error: unknown, file: string): ModulePlace | null {
  if (!(error instanceof Error)) return null;
  const names = [`${pathToFileURL(file).href}:`, `${file}:`];
  for (const text of (error.stack ?? '').split('\n')) {
    const found = /:(\d+):(\d+)\)?$/.exec(text);
    if (found !== null && names.some((name) => text.includes(name))) return { line: Number(found[1]), column: Number(found[2]) };
  }
  return null;
}
