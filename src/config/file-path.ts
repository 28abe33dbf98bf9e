/** The places of a recipe where a file or folder is named. Pure. No other file knows them. */

import { pathsOfKey, pathsOfTerms } from './peer.js';
import { entryOf, keysOf, type Path, replaceAt, valueAt } from './problem.js';

/** A recipe, as it was written or whole, with each of its paths changed. Data of the package has no path. */
export function mapFilePaths(root: unknown, change: (path: string, place: Path) => string): unknown {
  return placesOfFiles(root).reduce<unknown>((changed, place) => {
    const path = valueAt(changed, place);
    if (typeof path !== 'string' || isOfPackage(path, place)) return changed;
    return replaceAt(changed, place, change(path, place));
  }, root);
}

function placesOfFiles(root: unknown): readonly Path[] {
  const [models, stages] = [entryOf(root, 'models'), entryOf(root, 'stages')];
  const terms = keysOf(stages).flatMap((name) => pathsOfTerms(entryOf(stages, name)).map((path): Path => ['stages', name, ...path]));
  const modules = [...keysOf(models).map((name): Path => ['models', name]), ...terms].map((path) => [...path, 'module']);
  return [['data', 'path'], ...modules, ...placesOutside(stages)];
}

/** The places of models from outside: the folder of a run, or a file. */
function placesOutside(stages: unknown): readonly Path[] {
  return keysOf(stages).flatMap((name) => {
    const own = [['from'], ['teacher'], ...pathsOfKey(entryOf(stages, name), 'init')];
    return own.flatMap((path) => OUTSIDE_KEYS.map((key): Path => ['stages', name, ...path, key]));
  });
}

const OUTSIDE_KEYS = ['run', 'file'] as const;

/** Whether the path at this place is that of a model from outside, of which a run keeps its own copy. */
export function isOutside(place: Path): boolean {
  return place[0] === 'stages' && OUTSIDE_KEYS.some((key) => place.at(-1) === key);
}

function isOfPackage(path: string, [top]: Path): boolean {
  return top === 'data' && path.startsWith('builtin:');
}
