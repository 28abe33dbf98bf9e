/** The structure of each model of a recipe, which is known only when the model is built. */

import type { Recipe } from '../config/schema.js';
import { inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ModelStructure } from '../tensor/model-structure.js';

/** Builds each model once. Throws model.invalid, with the model's name in the recipe, and the errors of inspectData. */
export async function structuresOf({ data, models }: Pick<Recipe, 'data' | 'models'>): Promise<Readonly<Record<string, ModelStructure>>> {
  const { height, width, channels, classes } = await inspectData(data);
  // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  const { structureOf } = await import('../nn/structure.js');
  const { disposeModel } = await import('../nn/weights.js');
  await openEngine('cpu');
  const structures: Record<string, ModelStructure> = {};
  for (const [name, spec] of Object.entries(models)) {
    const built = await buildModel(spec, { inputShape: [height, width, channels], classes, seed: 1 }).catch((error: unknown) => {
      if (!(error instanceof StillhouseError)) throw error;
      throw new StillhouseError(error.code, `models.${name}: ${error.message}`, { cause: error });
    });
    structures[name] = structureOf(built);
    disposeModel(built);
  }
  return structures;
}
