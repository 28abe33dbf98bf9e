/** Errors that a user's module has thrown while it was used: they are the user's to mend, and no fault of the program. */

import { pathsOfTerms } from '../config/peer.js';
import { formatPath, type Path, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { placeInModule } from '../process/place-in-module.js';

/** A module that the recipe names. */
export interface UserModule {
  /** Its place in the recipe, such as `models.own`. */
  readonly place: string;
  /** Absolute. */
  readonly file: string;
  /** The code of an error in it. */
  readonly code: 'model.invalid' | 'loss.invalid';
}

/** The modules of the user's that a recipe names, in its order. */
export function userModules(recipe: Recipe): readonly UserModule[] {
  const models: Path[] = Object.keys(recipe.models).map((name) => ['models', name]);
  const terms = Object.entries(recipe.stages).flatMap(([name, stage]) =>
    pathsOfTerms(stage).map((path): Path => ['stages', name, ...path]),
  );
  return [...models, ...terms].flatMap((path) => {
    const file = valueAt(recipe, [...path, 'module']);
    if (typeof file !== 'string') return [];
    return [{ place: formatPath(path), file, code: path[0] === 'models' ? ('model.invalid' as const) : ('loss.invalid' as const) }];
  });
}

/** The name of the stage whose loss has its module at this place. */
export function stageOfLoss(place: string): string {
  // Names of stages have no dot.
  return place.split('.')[1] ?? '';
}

/** The error as one of the module in whose code it was thrown, with the line; null when that was in none of them. */
export function userFault(error: unknown, modules: readonly UserModule[]): StillhouseError | null {
  for (const { place, file, code } of modules) {
    const at = placeInModule(error, file);
    if (at === null) continue;
    const hint = 'The module threw this while it was used';
    return new StillhouseError(code, `${place}: ${messageOf(error)}`, { file, ...at, hint, cause: error });
  }
  return null;
}
