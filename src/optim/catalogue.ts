/** The optimisers by name. To add one: its case in the recipe's schema, its file, and its line here. */

import type { OptimizerRecipe } from '../config/schema.js';
import { adamRule } from './adam.js';
import { sgdRule } from './sgd.js';
import type { UpdateRule } from './update-rule.js';

type Rules = { readonly [Name in OptimizerRecipe['name']]: (recipe: Extract<OptimizerRecipe, { name: Name }>) => UpdateRule };

const RULES: Rules = { sgd: sgdRule, adam: adamRule };

/** The update rule that the recipe asks for. */
export function updateRule<Name extends OptimizerRecipe['name']>(recipe: Extract<OptimizerRecipe, { name: Name }>): UpdateRule {
  return RULES[recipe.name as Name](recipe);
}
