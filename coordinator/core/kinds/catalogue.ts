/** The kinds of stage. The only list of them in the core; src/config/schema.ts has the fields of each in a recipe. */

import type { StageRecipe } from '../../../src/config/schema.js';
import { distilKind } from './distil.js';
import { evaluateKind } from './evaluate.js';
import { exportKind } from './export.js';
import { loadKind } from './load.js';
import { mutualKind } from './mutual.js';
import type { StageKind } from './stage-kind.js';
import { trainKind } from './train.js';

const KINDS: { readonly [K in StageRecipe['kind']]: (recipe: Extract<StageRecipe, { kind: K }>) => StageKind } = {
  train: trainKind,
  distil: distilKind,
  mutual: mutualKind,
  load: loadKind,
  evaluate: evaluateKind,
  export: exportKind,
};

/** The kind of a stage. */
export function kindOf(recipe: StageRecipe): StageKind {
  // The table gives each kind the recipes of that kind.
  return (KINDS[recipe.kind] as (recipe: StageRecipe) => StageKind)(recipe);
}
