/**
 * Loads the recipe of a run from the run's folder. Its paths are absolute: where the folder was moved, or copied to another machine, a file
 * that is not there any more is looked for at the same place from the folder as before. For a module, the folder's own copy is the last choice.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { BASIS_FILE } from '../checkpoint/require-run-folder.js';
import { isOutside } from '../config/file-path.js';
import { CONFIG_FILE } from '../config/load.js';
import type { PlacedRecipe } from '../config/outside-model.js';
import { formatPath, type Path } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { type KeptBasis, readBasis } from './basis.js';
import { loadPlacedRecipe } from './load-recipe.js';
import { copyOf, moduleOption, neighboursOf } from './module-copy.js';

/**
 * The recipe of the run in this folder, with these overrides, whose relative paths start from the working directory. Throws data.missing,
 * model.invalid and loss.invalid, with the places where it looked, when a file of the recipe is nowhere; the errors of readBasis, and those of
 * loadRecipe.
 */
export async function loadRun(folder: string, set: readonly string[]): Promise<Recipe> {
  return (await loadPlacedRun(folder, set)).recipe;
}

/** The same, with the places of the models from outside in that recipe, or in the overrides. */
export async function loadPlacedRun(folder: string, set: readonly string[]): Promise<PlacedRecipe> {
  const run = resolve(folder);
  const kept = readBasis(join(run, BASIS_FILE));
  const findPath = (path: string, place: Path): string => findFile(path, { run, kept, place });
  return loadPlacedRecipe(join(run, CONFIG_FILE), { set, setFolder: resolve('.'), findPath });
}

interface Search {
  /** The run's folder. */
  readonly run: string;
  readonly kept: KeptBasis | null;
  readonly place: Path;
}

function findFile(path: string, search: Search): string {
  const { run, kept, place } = search;
  if (isOutside(place) || existsSync(path)) return path;
  const moved = resolve(run, relative(kept?.home ?? run, path));
  if (existsSync(moved)) return moved;
  const nor = moved === path ? '' : `, nor at ${moved}, the same place from the run's folder as before`;
  if (place[0] !== 'data') return findCopy(path, nor, search);
  throw new StillhouseError('data.missing', `${formatPath(place)}: there is no such folder${nor}`, {
    file: path,
    hint: `Put it back, or say where it is: --set ${place.join('.')}=FOLDER`,
  });
}

/** The run's copy of a module that is gone; `nor` says where else it was looked for. */
function findCopy(path: string, nor: string, { run, kept, place }: Search): string {
  const owner = formatPath(place.slice(0, -1));
  const digest = kept?.modules[owner];
  const copy = digest === undefined ? null : copyOf(run, { file: path, digest });
  const hasCopy = copy !== null && existsSync(copy);
  const [neighbour] = hasCopy ? neighboursOf(readFileSync(copy, 'utf8')) : [];
  if (hasCopy && neighbour === undefined) return copy;
  const alone = hasCopy ? `. The run has a copy, ${copy}, which names files that were beside it (${neighbour})` : '';
  const orCopy = hasCopy ? `, or put those files beside the copy and give that: ${moduleOption(owner, copy)}` : '';
  const code = place[0] === 'models' ? 'model.invalid' : 'loss.invalid';
  throw new StillhouseError(code, `${formatPath(place)}: there is no such module${nor}${alone}`, {
    file: path,
    hint: `Put it back, or say where it is: --set ${place.join('.')}=FILE${orCopy}`,
  });
}
