/**
 * Loads a recipe from its file, with all checks that need no data files, and with every default filled in. The
 * command line and the coordinator load it here.
 */

import { type LoadOptions, loadPlacedRecipe as load, type RecipeChecks } from '../config/load.js';
import type { PlacedRecipe } from '../config/outside-model.js';
import type { Recipe } from '../config/schema.js';
import { checkData, checkDataNames } from './data-check.js';
import { LossCheck } from './loss-check.js';
import { checkModelNames } from './model-check.js';

/**
 * As loadRecipe of src/config, with the checks that need to know data formats, models and losses. A user's loss module is
 * imported by a process of its own. Throws as loadRecipe of src/config does.
 */
export async function loadRecipe(file: string, options: Omit<LoadOptions, 'checks'> = {}): Promise<Recipe> {
  return (await loadPlacedRecipe(file, options)).recipe;
}

/** The same, with the places of the models from outside. */
export function loadPlacedRecipe(file: string, options: Omit<LoadOptions, 'checks'> = {}): Promise<PlacedRecipe> {
  const losses = new LossCheck();
  const checks: RecipeChecks = {
    written: async (root) => [...checkDataNames(root), ...checkModelNames(root), ...(await losses.checkTerms(root))],
    complete: async (written) => {
      const recipe = await losses.complete(written);
      return { recipe, problems: [...checkData(recipe), ...(await losses.checkStages(recipe))] };
    },
  };
  return load(file, { ...options, checks });
}
