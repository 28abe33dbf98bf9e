/**
 * Everything that can be found wrong with a recipe before a process is started: its text, its data files (sizes and
 * headers), its models (each is built once).
 */

import { locateInRecipe } from '../config/load.js';
import type { ModelRecipe, Recipe } from '../config/schema.js';
import { type DataInfo, inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { loadRecipe } from './load-recipe.js';

export interface CheckedRecipe {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** Of each model by its name in the recipe. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Loads and checks a recipe. Throws what loadRecipe, inspectData and buildModel throw; models with their line. */
export async function checkRecipe(file: string, set: readonly string[]): Promise<CheckedRecipe> {
  const recipe = await loadRecipe(file, { set });
  const data = await inspectData(recipe.data);
  const parameters: Record<string, number> = {};
  for (const [name, model] of Object.entries(recipe.models)) {
    try {
      parameters[name] = await countParameters(model, data);
    } catch (error) {
      if (!(error instanceof StillhouseError) || error.details.file !== undefined) throw error;
      const place = await locateInRecipe(file, ['models', name]);
      throw new StillhouseError(error.code, `models.${name}: ${error.message}`, { file, ...place, cause: error });
    }
  }
  return { recipe, data, parameters };
}

async function countParameters(model: ModelRecipe, { height, width, channels, classes }: DataInfo): Promise<number> {
  // Only here: tfjs takes half a second to load, and most mistakes are found before.
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  await openEngine('cpu');
  const built = await buildModel(model, { inputShape: [height, width, channels], classes, seed: 1 });
  const count = built.countParams();
  built.dispose();
  return count;
}
