/** Errors that a user's module has thrown while it was used: they are the user's to mend, and no fault of the program. */

import { pathToFileURL } from 'node:url';
import { pathsOfTerms } from '../config/peer.js';
import { formatPath, type Path, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';

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

/** The error as one of the module in whose code it was thrown, with the line; null when that was in none of them. */
export function userFault(error: unknown, modules: readonly UserModule[]): StillhouseError | null {
  if (!(error instanceof Error)) return null;
  for (const line of (error.stack ?? '').split('\n')) {
    const place = /:(\d+):(\d+)\)?$/.exec(line);
    if (place === null) continue;
    const own = modules.find(({ file }) => line.includes(`${pathToFileURL(file).href}:`) || line.includes(`${file}:`));
    if (own === undefined) continue;
    return new StillhouseError(own.code, `${own.place}: ${messageOf(error)}`, {
      ...{ file: own.file, line: Number(place[1]), column: Number(place[2]) },
      hint: 'The module threw this while it was used',
      cause: error,
    });
  }
  return null;
}
