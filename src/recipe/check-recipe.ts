/**
 * Finds all mistakes of a recipe that can be found before a process is started: in its text, its data files (read to the last
 * label), its models (each is built once), and its losses with the layers that they tap (each term is computed once).
 */

import { findIdleSettings } from '../config/idle-setting.js';
import { locateInRecipe } from '../config/load.js';
import { trainedPeers } from '../config/peer.js';
import { formatPath, type Path } from '../config/problem.js';
import type { ModelRecipe, Recipe } from '../config/schema.js';
import { type DataInfo, inspectData, type VerifiedData, verifyData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { classWarnings, overlapWarnings } from './data-warning.js';
import { largeSteps } from './large-step.js';
import { loadRecipe } from './load-recipe.js';
import { trialsOf } from './term-trial.js';
import { type WorkSize, workSizes } from './work-size.js';

export interface CheckedRecipe {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** The content of its files. */
  readonly content: VerifiedData;
  /** The number of each model's parameters, by its name in the recipe. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Facts that a person should know; the recipe can be run. */
  readonly warnings: readonly string[];
  /** The work of each stage that trains, with the students of the recipe. */
  readonly work: readonly WorkSize[];
}

/** Loads and checks a recipe. Throws the errors of loadRecipe, inspectData, buildModel and tryLoss; those of models and terms with their line. */
export async function checkRecipe(file: string, set: readonly string[]): Promise<CheckedRecipe> {
  const recipe = await loadRecipe(file, { set });
  const data = await inspectData(recipe.data);
  const content = await verifyData(recipe.data);
  const parameters: Record<string, number> = {};
  const shapes = new Map<string, ShapeSource>();
  for (const [name, model] of Object.entries(recipe.models)) {
    const inspected = await placed({ file, path: ['models', name] }, () => inspectModel(model, data));
    parameters[name] = inspected.parameters;
    shapes.set(name, inspected.shapes);
  }
  for (const peer of trainedPeers(recipe)) {
    for (const { path, run } of trialsOf(peer, recipe, shapes)) await placed({ file, path }, run);
  }
  const idle = findIdleSettings(recipe).map(({ text }) => text);
  const work = workSizes(recipe, data.splitSizes);
  const large = largeSteps(recipe, data.splitSizes, work);
  const warnings = [...idle, ...large, ...classWarnings(recipe, content), ...overlapWarnings(recipe, content)];
  return { recipe, data, content, parameters, warnings, work };
}

interface InspectedModel {
  readonly parameters: number;
  readonly shapes: ShapeSource;
}

async function inspectModel(model: ModelRecipe, { height, width, channels, classes }: DataInfo): Promise<InspectedModel> {
  // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  const { shapeSourceOf } = await import('../nn/knowledge-model.js');
  const { disposeModel } = await import('../nn/weights.js');
  await openEngine('cpu');
  const built = await buildModel(model, { inputShape: [height, width, channels], classes, seed: 1 });
  const inspected = { parameters: built.countParams(), shapes: shapeSourceOf(built) };
  disposeModel(built);
  return inspected;
}

/** Runs a check of a part of the recipe. An error gets the line of that part; the name of a module's file stays in its message. */
async function placed<T>({ file, path }: { readonly file: string; readonly path: Path }, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    const place = await locateInRecipe(file, path);
    throw new StillhouseError(error.code, `${formatPath(path)}: ${error.message}`, { file, ...place, cause: error });
  }
}
