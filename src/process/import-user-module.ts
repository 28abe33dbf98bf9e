/** Imports a user's JavaScript module. */

import { pathToFileURL } from 'node:url';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { ErrorCode } from '../errors/table.js';

/** The exports of the module (an absolute path). Throws an error with this code, the file, and a hint that fits the reason. */
export async function importUserModule(file: string, code: ErrorCode): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new StillhouseError(code, `cannot load the module: ${messageOf(error)}`, { file, hint: hintFor(error, file), cause: error });
  }
}

function hintFor(error: unknown, file: string): string {
  if (error instanceof SyntaxError) return `Mend its JavaScript: node --check ${file} names the line`;
  if (hasCode(error, 'ERR_MODULE_NOT_FOUND') && /'@tensorflow\/tfjs/.test(messageOf(error))) {
    return "Import no tfjs: a loss's sum gets tf as its third argument, tf.core and tf.layers, and a model's build as its second, core and layers";
  }
  if (hasCode(error, 'ERR_MODULE_NOT_FOUND') || hasCode(error, 'ERR_UNSUPPORTED_DIR_IMPORT')) {
    return 'Give the path of a JavaScript module (.mjs), from the folder of the recipe; a package that it imports must be installed beside it';
  }
  return 'The module is run when it is loaded, and that failed: see the message of Node';
}
