/**
 * From the data section of a recipe to samples: where its files lie, what they hold, and its splits. Formats are in
 * catalogue.ts; this file only knows what is the same for all.
 */

import { join } from 'node:path';
import { assert, present } from '../base/assert.js';
import type { DataRecipe, SplitRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { packageFolder } from '../process/package-folder.js';
import { BUILTIN_SETS, FORMATS } from './catalogue.js';
import type { PartSource, PartSummary } from './format.js';
import { type DataFile, type ImageShape, type Split, splitOf } from './split.js';

export interface DataInfo extends ImageShape {
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
}

/**
 * What a recipe's data is, from headers and file sizes alone: cheap enough for a coordinator. Throws data.missing or
 * data.damaged about files, and recipe.invalid about a split that the files do not hold.
 */
export async function inspectData(recipe: DataRecipe): Promise<DataInfo> {
  const summaries = new Map<SplitRecipe['part'], PartSummary>();
  for (const part of partsOf(recipe)) summaries.set(part, await FORMATS[recipe.format].inspect(sourceOf(recipe, part)));
  const [first, second] = [...summaries.values()];
  if (first === undefined) throw new StillhouseError('recipe.invalid', 'data.splits names no split');
  if (second !== undefined) checkSameShape(recipe, first, second);
  checkNormalise(recipe, first.channels);
  const sizes = Object.entries(recipe.splits).map(([name, split]) => {
    const { from, to } = boundsOf(name, split, present(summaries.get(split.part), split.part).count);
    return [name, to - from] as const;
  });
  const { height, width, channels, classes } = first;
  return { height, width, channels, classes, splitSizes: Object.fromEntries(sizes) };
}

/** Reads and checks every file of the parts that the recipe's splits use. Throws as {@link inspectData} does. */
export async function verifyData(recipe: DataRecipe): Promise<readonly DataFile[]> {
  await inspectData(recipe);
  const files: DataFile[] = [];
  for (const part of partsOf(recipe)) files.push(...(await FORMATS[recipe.format].read(sourceOf(recipe, part))).files);
  return files;
}

/** One split in memory; its part's files are read and checked whole. Throws as {@link inspectData} does. */
export async function loadSplit(recipe: DataRecipe, name: string): Promise<Split> {
  const split = recipe.splits[name];
  assert(split !== undefined, `the recipe has no split ${name}`);
  const part = await FORMATS[recipe.format].read(sourceOf(recipe, split.part));
  checkNormalise(recipe, part.channels);
  return splitOf(part, { name, ...boundsOf(name, split, part.count) });
}

/** The parts that the splits use: train before test. */
function partsOf(recipe: DataRecipe): SplitRecipe['part'][] {
  const used = new Set(Object.values(recipe.splits).map(({ part }) => part));
  return (['train', 'test'] as const).filter((part) => used.has(part));
}

function sourceOf(recipe: DataRecipe, part: SplitRecipe['part']): PartSource {
  const { format, labels } = recipe;
  const known: readonly string[] = FORMATS[format].labelSets;
  if (!known.includes(labels)) {
    throw new StillhouseError('recipe.invalid', `data.labels: ${labels} is not for ${format}`, { hint: `It has ${known.join(', ')}` });
  }
  const folder = recipe.path.startsWith('builtin:') ? builtinFolder(recipe, part) : recipe.path;
  return { folder, part, labels };
}

function builtinFolder({ path, format }: DataRecipe, part: SplitRecipe['part']): string {
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

/** The split's samples as [from, to). */
function boundsOf(name: string, split: SplitRecipe, count: number): { from: number; to: number } {
  const { part, from, to = count } = split;
  if (from < to && to <= count) return { from, to };
  throw new StillhouseError('recipe.invalid', `data.splits.${name}: samples ${from} to ${to} are not in the ${count} of part ${part}`, {
    hint: `Give from below to, and to at most ${count}`,
  });
}

function checkNormalise({ normalise, format }: DataRecipe, channels: number): void {
  for (const key of ['mean', 'std'] as const) {
    const given = normalise[key].length;
    if (given === channels) continue;
    throw new StillhouseError('recipe.invalid', `data.normalise.${key}: ${given} values for images of ${channels} channels (${format})`, {
      hint: 'Give one value per channel',
    });
  }
}

function checkSameShape(recipe: DataRecipe, train: PartSummary, test: PartSummary): void {
  if (train.height === test.height && train.width === test.width && train.channels === test.channels) return;
  const [first, second] = [train, test].map(({ height, width, channels }) => `${height}x${width}x${channels}`);
  throw new StillhouseError('data.damaged', `images for training are ${first}, those for testing ${second}`, {
    file: recipe.path,
    hint: 'Check that both are of one data set',
  });
}
