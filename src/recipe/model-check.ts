/** Checks that the models that a recipe names are in the package. */

import { suggest } from '../base/nearest.js';
import { formatPath, keysOf, type Problem, valueAt } from '../config/problem.js';
import { MODEL_NAMES } from '../nn/names.js';

/** Finds names of models that the package does not have, in a recipe as it was written. */
export function checkModelNames(root: unknown): readonly Problem[] {
  return keysOf(valueAt(root, ['models'])).flatMap((name) => checkModelName(root, name));
}

/** The problem with one model's name. A user's module is not opened. */
function checkModelName(root: unknown, model: string): readonly Problem[] {
  const path = ['models', model, 'name'];
  const found = valueAt(root, path);
  const names: readonly string[] = MODEL_NAMES;
  if (typeof found !== 'string' || names.includes(found)) return [];
  return [{ path, at: 'value', text: `${formatPath(path)}: there is no model "${found}" in the package${suggest(found, names)}` }];
}
