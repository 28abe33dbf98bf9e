/** A fault at a place of a recipe, which shows only when the recipe's files are used. */

import type { Path } from '../config/problem.js';
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
