/**
 * Everything that can be found wrong with a recipe before a process is started: its text, its data files (sizes and
 * headers), its models (each is built once), and the layers that its losses take of them.
 */

import { locateInRecipe } from '../config/load.js';
import type { ModelRecipe, Recipe } from '../config/schema.js';
import { type DataInfo, inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { loadRecipe } from './load-recipe.js';
import { checkTaps } from './tap-check.js';

export interface CheckedRecipe {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** Of each model by its name in the recipe. */
  readonly parameters: Readonly<Record<string, number>>;
}

/**
 * Loads and checks a recipe. Throws what loadRecipe, inspectData, buildModel and checkTaps throw; what is wrong with a model,
 * or with a loss and its models, with their line.
 */
export async function checkRecipe(file: string, set: readonly string[]): Promise<CheckedRecipe> {
  const recipe = await loadRecipe(file, { set });
  const data = await inspectData(recipe.data);
  const parameters: Record<string, number> = {};
  const shapes = new Map<string, ShapeSource>();
  for (const [name, model] of Object.entries(recipe.models)) {
    const known = await atPlace(file, ['models', name], () => inspectModel(model, data));
    parameters[name] = known.parameters;
    shapes.set(name, known.shapes);
  }
  for (const [name, stage] of Object.entries(recipe.stages)) {
    if ('model' in stage) await atPlace(file, ['stages', name, 'loss'], () => checkTaps(stage, recipe, shapes));
  }
  return { recipe, data, parameters };
}

/** Says of an error where in the recipe it comes from, unless it names a file itself. */
async function atPlace<Result>(file: string, path: readonly string[], check: () => Promise<Result>): Promise<Result> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.details.file !== undefined) throw error;
    const place = await locateInRecipe(file, [...path]);
    throw new StillhouseError(error.code, `${path.join('.')}: ${error.message}`, { file, ...place, cause: error });
  }
}

interface KnownModel {
  readonly parameters: number;
  readonly shapes: ShapeSource;
}

async function inspectModel(model: ModelRecipe, { height, width, channels, classes }: DataInfo): Promise<KnownModel> {
  // Only here: tfjs takes half a second to load, and most mistakes are found before.
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  const { shapeSourceOf } = await import('../nn/knowledge-model.js');
  await openEngine('cpu');
  const built = await buildModel(model, { inputShape: [height, width, channels], classes, seed: 1 });
  const parameters = built.countParams();
  built.dispose();
  return { parameters, shapes: shapeSourceOf(built) };
}
