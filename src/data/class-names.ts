/** The names of the classes of a recipe's data. */

import { StillhouseError } from '../errors/stillhouse-error.js';
import { BUILTIN_SETS } from './catalogue.js';
import { type DataPlace, formatOf, partsOf, sourceOf } from './data-location.js';
import { FingerprintCache } from './fingerprint-cache.js';

/**
 * The names of the classes of a recipe's data, in the order of the labels: those that the recipe gives, or that the data have. Null where they are not known, or
 * the data is not there: names are no reason to refuse an export. No image is read; names in tar shards are known once the shards were read for another reason.
 */
export async function classNamesOf(data: DataPlace, cache = new FingerprintCache()): Promise<readonly string[] | null> {
  if (typeof data.classes === 'object') return data.classes;
  const set = BUILTIN_SETS.get(data.path);
  if (set !== undefined) return set.classNames;
  try {
    // All parts have the same classes.
    for (const part of partsOf(data)) {
      const names = await formatOf(data).classNames?.(sourceOf(data, part), cache.folder);
      if (names !== undefined && names !== null) return names;
    }
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
  }
  return null;
}
