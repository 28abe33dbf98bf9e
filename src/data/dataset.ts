/**
 * Makes samples from the data section of a recipe: the summary of its files, its splits and their fingerprints. This file owns
 * the part that is the same for all formats, and knows no format.
 */

import { assert, present } from '../base/assert.js';
import type { DataRecipe, SplitRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { formatOf, partsOf, sourceOf } from './data-location.js';
import { fingerprintOf } from './fingerprint.js';
import { FingerprintCache, fingerprintKey } from './fingerprint-cache.js';
import type { DataFile, PartSummary } from './format.js';
import { cutImages, residentSource, type SplitRange } from './resident-source.js';
import type { ImageShape, LabelledImages, SampleSource } from './sample-source.js';
import { imageDigests, type Statistics, statisticsOf } from './statistics.js';

export interface DataInfo extends ImageShape {
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
}

/**
 * The shape and sizes of a recipe's data, from headers and file sizes alone: cheap enough for a coordinator. Throws
 * data.missing or data.damaged about files, and recipe.invalid about a split that the files do not hold.
 */
export async function inspectData(recipe: DataRecipe): Promise<DataInfo> {
  const info = await inspectFiles(recipe);
  checkNormalise(recipe, info.channels);
  return info;
}

/** The same, whatever the recipe says of mean and deviation. */
async function inspectFiles(recipe: DataRecipe): Promise<DataInfo> {
  const format = formatOf(recipe);
  const summaries = new Map<string, PartSummary>();
  for (const part of partsOf(recipe)) {
    const summary = await format.inspect(sourceOf(recipe, part));
    for (const [other, found] of summaries) checkSameShape(recipe, { part: other, ...found }, { part, ...summary });
    summaries.set(part, summary);
  }
  const [first] = summaries.values();
  if (first === undefined) throw new StillhouseError('recipe.invalid', 'data.splits names no split');
  const sizes = Object.entries(recipe.splits).map(([name, split]) => {
    const { from, to } = rangeOf(name, split, present(summaries.get(split.part), split.part).count);
    return [name, to - from] as const;
  });
  const { height, width, channels, classes } = first;
  return { height, width, channels, classes, splitSizes: Object.fromEntries(sizes) };
}

export interface VerifiedSplit extends Statistics {
  readonly name: string;
  readonly samples: number;
  /** See fingerprint.ts. */
  readonly fingerprint: string;
}

/** Two splits with images that are the same to the byte. */
export interface SharedImages {
  readonly splits: readonly [string, string];
  /** The number of images of the second split that are in the first one too. */
  readonly count: number;
}

export interface VerifiedData {
  /** The files of the parts that the splits use. */
  readonly files: readonly DataFile[];
  /** The splits in the order of the recipe. */
  readonly splits: readonly VerifiedSplit[];
  /** Every two splits that share images, in both orders. */
  readonly shared: readonly SharedImages[];
}

/**
 * Reads and checks every file of the parts that the recipe's splits use. The fingerprints are of what was read, never from
 * the cache, and are kept there for {@link fingerprintSplit}. The recipe's mean and deviation are not looked at. `onImages` gets the
 * images of each split, which are only lent to it. Throws as {@link inspectData} does.
 */
export async function verifyData(
  recipe: DataRecipe,
  cache = new FingerprintCache(),
  onImages?: (name: string, images: LabelledImages) => void,
): Promise<VerifiedData> {
  await inspectFiles(recipe);
  const files: DataFile[] = [];
  const verified = new Map<string, VerifiedSplit>();
  const digests = new Map<string, readonly string[]>();
  for (const wanted of partsOf(recipe)) {
    const splits = Object.entries(recipe.splits).filter(([, { part }]) => part === wanted);
    const keysBefore = await Promise.all(splits.map(([, split]) => keyOf(recipe, split)));
    const part = await formatOf(recipe).read(sourceOf(recipe, wanted));
    files.push(...part.files);
    for (const [i, [name, split]] of splits.entries()) {
      const images = cutImages(part, rangeOf(name, split, part.count));
      onImages?.(name, images);
      const fingerprint = await fingerprintOf(images);
      verified.set(name, { name, samples: images.count, fingerprint, ...statisticsOf(images) });
      digests.set(name, imageDigests(images));
      await keepFingerprint({ recipe, split, keyBefore: keysBefore[i]!, fingerprint, cache });
    }
  }
  return { files, splits: Object.keys(recipe.splits).map((name) => present(verified.get(name), name)), shared: sharedImages(digests) };
}

function sharedImages(digests: ReadonlyMap<string, readonly string[]>): readonly SharedImages[] {
  return [...digests].flatMap(([first, own]) => {
    const known = new Set(own);
    return [...digests].flatMap(([second, others]) => {
      const count = first === second ? 0 : others.filter((digest) => known.has(digest)).length;
      return count === 0 ? [] : [{ splits: [first, second] as const, count }];
    });
  });
}

/**
 * The source of one split, all its samples in memory; its part's files are read and checked whole. Throws as
 * {@link inspectData} does.
 */
export async function loadSplit(recipe: DataRecipe, name: string): Promise<SampleSource> {
  const split = splitNamed(recipe, name);
  const part = await formatOf(recipe).read(sourceOf(recipe, split.part));
  checkNormalise(recipe, part.channels);
  return residentSource(part, rangeOf(name, split, part.count));
}

/** The fingerprint of a split and the digest of each of its images, from its files. The recipe's mean and deviation are not looked at. Throws as {@link inspectData} does. */
export async function identifySplit(
  recipe: DataRecipe,
  name: string,
): Promise<{ readonly fingerprint: string; readonly images: readonly string[] }> {
  const split = splitNamed(recipe, name);
  const part = await formatOf(recipe).read(sourceOf(recipe, split.part));
  const images = cutImages(part, rangeOf(name, split, part.count));
  return { fingerprint: await fingerprintOf(images), images: imageDigests(images) };
}

/**
 * The fingerprint of a split, for a process that does not need its samples. While the split's files do not change it comes from the
 * cache, and no file is opened; otherwise the split is loaded for it. Throws as {@link loadSplit} does.
 */
export async function fingerprintSplit(recipe: DataRecipe, name: string, cache = new FingerprintCache()): Promise<string> {
  const split = splitNamed(recipe, name);
  const keyBefore = await keyOf(recipe, split);
  const known = await cache.get(keyBefore);
  if (known !== null) return known;
  const source = await loadSplit(recipe, name);
  const fingerprint = await source.fingerprint();
  await keepFingerprint({ recipe, split, keyBefore, fingerprint, cache });
  return fingerprint;
}

interface Fingerprinted {
  readonly recipe: DataRecipe;
  readonly split: SplitRecipe;
  /** The key of the split before its files were read. */
  readonly keyBefore: string;
  readonly fingerprint: string;
  readonly cache: FingerprintCache;
}

/** Keeps the fingerprint, unless a file changed while it was read: then it is not known to which content the fingerprint belongs. */
async function keepFingerprint({ recipe, split, keyBefore, fingerprint, cache }: Fingerprinted): Promise<void> {
  if ((await keyOf(recipe, split)) === keyBefore) await cache.put(keyBefore, fingerprint);
}

async function keyOf(recipe: DataRecipe, split: SplitRecipe): Promise<string> {
  const { format, labels } = recipe;
  const { part, from, to = null } = split;
  return fingerprintKey({ format, labels, part, from, to }, await formatOf(recipe).files(sourceOf(recipe, part)));
}

function splitNamed(recipe: DataRecipe, name: string): SplitRecipe {
  const split = recipe.splits[name];
  assert(split !== undefined, `the recipe has no split ${name}`);
  return split;
}

/** The split's samples as [from, to). */
function rangeOf(name: string, split: SplitRecipe, count: number): SplitRange {
  const { part, from, to = count } = split;
  if (from < to && to <= count) return { name, from, to };
  const place = `data.splits.${name}`;
  if (from < count && to <= count) {
    throw new StillhouseError('recipe.invalid', `${place} is empty: from is ${from}, and to is ${to}`, { hint: 'Give from below to' });
  }
  const [key, value, most] = from < count ? ['to', to, count] : ['from', from, count - 1];
  throw new StillhouseError('recipe.invalid', `${place}.${key} is ${value}, and part ${part} has ${count} images`, {
    hint: `Give at most ${most}, or leave it out`,
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

type PartShape = PartSummary & { readonly part: string };

function checkSameShape(recipe: DataRecipe, a: PartShape, b: PartShape): void {
  if (a.height === b.height && a.width === b.width && a.channels === b.channels) return;
  const [first, second] = [a, b].map(({ part, height, width, channels }) => `part ${part} are ${height}x${width}x${channels}`);
  throw new StillhouseError('data.damaged', `images of ${first}, images of ${second}`, {
    file: recipe.path,
    hint: 'Check that both are of one data set',
  });
}
