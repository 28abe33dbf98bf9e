/** A recipe as YAML with every default filled in: config.resolved.yaml of a run. It loads again to the same recipe. */

import { stringify } from 'yaml';
import type { Recipe } from './schema.js';
import { stageOrder } from './stage-graph.js';

/** The text of the resolved recipe, with the order of its stages as a comment. */
export function explainRecipe(recipe: Recipe): string {
  const order = `# The recipe ${recipe.name} with all its defaults. Stages run in this order: ${stageOrder(recipe).join(', ')}.\n`;
  // Without aliases, so that every value stands where it is used.
  return order + stringify(recipe, { aliasDuplicateObjects: false, lineWidth: 120 });
}
