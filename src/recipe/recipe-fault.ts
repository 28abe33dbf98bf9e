/** A fault at a place of a recipe, which shows only when the recipe's files are used. */

import { locateInRecipe } from '../config/load.js';
import { formatPath, type Path } from '../config/problem.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ErrorCode } from '../errors/table.js';

export class RecipeFault extends Error {
  readonly path: Path;
  readonly code: ErrorCode;

  constructor(path: Path, code: ErrorCode, message: string) {
    super(message);
    this.path = path;
    this.code = code;
  }
}

/** The fault with its line in the recipe of this file; the name of a module's file stays in its message. Any other error as it is. */
export async function placeFault(file: string, error: unknown): Promise<unknown> {
  if (!(error instanceof RecipeFault)) return error;
  const { path, code, message } = error;
  const place = await locateInRecipe(file, path);
  return new StillhouseError(code, `${formatPath(path)}: ${message}`, { file, ...place });
}
