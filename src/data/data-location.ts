/** The location of a recipe's data: its format, the parts that its splits use, and the folder of each. It opens no file. */

import { join } from 'node:path';
import { suggest } from '../base/nearest.js';
import type { DataRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { packageFolder } from '../process/package-folder.js';
import { BUILTIN_SETS, FORMATS } from './catalogue.js';
import { type DataFormat, type PartSource, SETTINGS, type Setting } from './format.js';

/** The keys of a recipe's data that say where they lie, and how they are read. */
export type DataPlace = Omit<DataRecipe, 'normalise' | 'image'>;

/** The format of the data. Throws recipe.invalid when no format has that name; src/recipe finds that earlier, with its place. */
export function formatOf({ format: name }: Pick<DataPlace, 'format'>): DataFormat {
  const format = FORMATS.get(name);
  if (format !== undefined) return format;
  throw new StillhouseError('recipe.invalid', `data.format: there is no ${name}${suggest(name, [...FORMATS.keys()])}`);
}

/** The parts that the splits use, in the format's order, or in that of their names; those that it does not have come first. Throws as {@link formatOf} does. */
export function partsOf(recipe: Pick<DataPlace, 'format' | 'splits'>): string[] {
  const used = new Set(Object.values(recipe.splits).map(({ part }) => part));
  const { parts } = formatOf(recipe);
  return 'allows' in parts ? [...used].sort() : [...used].sort((a, b) => parts.indexOf(a) - parts.indexOf(b));
}

/**
 * The folder of a part and the labels to read. Throws recipe.invalid when the format has no such part or labels, or the package no
 * such set, and data.missing when the package does not have that part of a set.
 */
export function sourceOf(recipe: DataPlace, part: string): PartSource {
  const { format, labels } = recipe;
  const { labelSets, parts } = formatOf(recipe);
  if (!labelSets.includes(labels)) {
    throw new StillhouseError('recipe.invalid', `data.labels: ${labels} is not for ${format}`, { hint: `It has ${labelSets.join(', ')}` });
  }
  if ('allows' in parts) {
    if (!parts.allows(part)) {
      throw new StillhouseError('recipe.invalid', `data.splits: a part of the format ${format} must be ${parts.form}, not ${part}`);
    }
  } else if (!parts.includes(part)) {
    throw new StillhouseError('recipe.invalid', `data.splits: ${format} has no part ${part}`, { hint: `It has ${parts.join(', ')}` });
  }
  const folder = recipe.path.startsWith('builtin:') ? builtinFolder(recipe, part) : recipe.path;
  return { folder, part, labels, ...settingsOf(recipe) };
}

/** The settings that the recipe has. */
function settingsOf(recipe: DataPlace): Pick<PartSource, Setting> {
  return Object.fromEntries(SETTINGS.flatMap((key) => (recipe[key] === undefined ? [] : [[key, recipe[key]]])));
}

function builtinFolder({ path, format }: Pick<DataPlace, 'path' | 'format'>, part: string): string {
  const set = BUILTIN_SETS.get(path);
  if (set === undefined) {
    throw new StillhouseError('recipe.invalid', `data.path: there is no ${path}`, {
      hint: `There is ${[...BUILTIN_SETS.keys()].join(', ')}`,
    });
  }
  if (set.format !== format) {
    throw new StillhouseError('recipe.invalid', `data.format: ${path} is not ${format}`, { hint: `Write format: ${set.format}` });
  }
  if (!set.parts.includes(part)) {
    const hint = `Make every split from part: ${set.parts.join(' or ')}, or set data.path to a folder with the whole data set`;
    throw new StillhouseError('data.missing', `${path} has no part ${part}`, { hint });
  }
  return join(packageFolder, set.folder);
}
