/**
 * Whether the data section of a recipe fits its format, as far as that can be known without opening the files. The formats
 * themselves declare their names and channels: see src/data/format.ts.
 */

import { suggest } from '../base/nearest.js';
import { formatPath, formatValue, keysOf, notOneOf, type Path, type Problem, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { BUILTIN_SETS, FORMATS } from '../data/catalogue.js';
import { type DataFormat, SETTINGS } from '../data/format.js';

const BUILTIN = 'builtin:';

/** Names in the data section of a recipe as it was written that the formats do not have. */
export function checkDataNames(root: unknown): readonly Problem[] {
  const path = ['data', 'format'];
  const name = valueAt(root, path);
  // The schema reports a format that is not text.
  if (typeof name !== 'string') return [];
  const format = FORMATS.get(name);
  if (format === undefined) return [{ path, at: 'value', text: notOneOf('data.format', name, [...FORMATS.keys()]) }];
  const splits = keysOf(valueAt(root, ['data', 'splits']));
  return [
    ...checkLabels(name, format, valueAt(root, ['data', 'labels'])),
    ...checkImage(name, format, valueAt(root, ['data', 'image'])),
    ...checkSettings(name, format, keysOf(valueAt(root, ['data']))),
    ...splits.flatMap((split) => checkPart(root, ['data', 'splits', split, 'part'], format)),
  ];
}

/** Checks the labels. Labels that another format has get a message of their own, because they are not a misspelling. */
function checkLabels(format: string, { labelSets }: DataFormat, labels: unknown): readonly Problem[] {
  if (typeof labels !== 'string' || labelSets.includes(labels)) return [];
  const others = [...FORMATS].filter(([, other]) => other.labelSets.includes(labels)).map(([name]) => name);
  const text =
    others.length === 0
      ? notOneOf('data.labels', labels, labelSets)
      : `data.labels: only ${others.join(' and ')} ${others.length === 1 ? 'has' : 'have'} ${labels} labels; ${format} has: ${labelSets.join(', ')}`;
  return [{ path: ['data', 'labels'], at: 'value', text }];
}

/** Checks that the size of images is given where the files have any size, and nowhere else. */
function checkImage(name: string, { kind }: DataFormat, image: unknown): readonly Problem[] {
  if (kind === 'coded' && image === undefined) {
    const text = `data.image is missing: images of the format ${name} have any size; give the one that models see, as in image: { size: 224, resize: 256 }`;
    return [{ path: ['data'], at: 'key', text }];
  }
  if (kind === 'coded' || image === undefined) return [];
  const text = `data.image: images of the format ${name} have one size, which is not changed; take it out`;
  return [{ path: ['data', 'image'], at: 'key', text }];
}

/** Checks that settings of other formats are not given. */
function checkSettings(name: string, { settings = [] }: DataFormat, given: readonly string[]): readonly Problem[] {
  return SETTINGS.filter((key) => given.includes(key) && !settings.includes(key)).map((key) => {
    const takers = [...FORMATS].flatMap(([other, format]) => (format.settings?.includes(key) === true ? [other] : []));
    const text = `data.${key} is for the ${takers.length === 1 ? 'format' : 'formats'} ${takers.join(', ')}, not for ${name}; take it out`;
    return { path: ['data', key], at: 'key', text };
  });
}

function checkPart(root: unknown, path: Path, { parts }: DataFormat): readonly Problem[] {
  const found = valueAt(root, path);
  if (typeof found !== 'string') return [];
  if ('allows' in parts) {
    const text = `${formatPath(path)} must be ${parts.form}, not ${formatValue(found)}`;
    return parts.allows(found) ? [] : [{ path, at: 'value', text }];
  }
  return parts.includes(found) ? [] : [{ path, at: 'value', text: notOneOf(formatPath(path), found, parts) }];
}

/** Values of the data section that do not fit the format or the data set of the package. Ignores unknown names. */
export function checkData({ data }: Recipe): readonly Problem[] {
  return [...checkChannels(data), ...checkBuiltin(data)];
}

function checkChannels({ format, normalise }: Recipe['data']): readonly Problem[] {
  const channels = FORMATS.get(format)?.channels ?? null;
  if (channels === null) return [];
  const problems: Problem[] = [];
  for (const key of ['mean', 'std'] as const) {
    const count = normalise[key].length;
    if (count === channels) continue;
    const text = `data.normalise.${key} has ${count} entries, but images of the format ${format} have ${channels} channels`;
    problems.push({ path: ['data', 'normalise', key], at: 'value', text });
  }
  return problems;
}

function checkBuiltin({ path: folder, format }: Recipe['data']): readonly Problem[] {
  if (!folder.startsWith(BUILTIN)) return [];
  const path = ['data', 'path'];
  const set = BUILTIN_SETS.get(folder);
  if (set === undefined) {
    return [{ path, at: 'value', text: `data.path: there is no "${folder}"${suggest(folder, [...BUILTIN_SETS.keys()])}` }];
  }
  if (format === set.format || !FORMATS.has(format)) return [];
  const text = `data.format: ${folder} is of the format ${set.format}, not ${format}`;
  return [{ path: ['data', 'format'], at: 'value', text }];
}
