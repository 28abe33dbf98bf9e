/** A recipe from its file, checked by all that is known without a look at data files: the command line and the coordinator load it here. */

import { type LoadOptions, loadRecipe as load, type RecipeChecks } from '../config/load.js';
import type { Recipe } from '../config/schema.js';
import { checkData, checkDataNames } from './data-check.js';
import { checkModelNames } from './model-check.js';

const CHECKS: RecipeChecks = {
  written: (root) => [...checkDataNames(root), ...checkModelNames(root)],
  complete: checkData,
};

/** As loadRecipe of src/config, with the checks that need to know data formats and models. Throws the same. */
export function loadRecipe(file: string, options: Pick<LoadOptions, 'set'> = {}): Promise<Recipe> {
  return load(file, { ...options, checks: CHECKS });
}
