/**
 * Makes samples from the data section of a recipe: the summary of its files, its splits and their fingerprints. This file owns
 * the part that is the same for all formats, and knows no format.
 */

import { assert, present } from '../base/assert.js';
import type { DataRecipe, SplitRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { codedPart } from './coded-part.js';
import { formatOf, partsOf } from './data-location.js';
import { FingerprintCache } from './fingerprint-cache.js';
import type { DataFile, PartSummary } from './format.js';
import type { LoadedPart, Part } from './part.js';
import { residentPart } from './resident-part.js';
import type { SplitRange } from './resident-source.js';
import type { ImageShape, LabelledImages, SampleSource } from './sample-source.js';
import type { Statistics } from './statistics.js';

export interface DataInfo extends ImageShape {
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
}

/** Throws recipe.invalid when the format is not known, or has no such part. */
function partOf(recipe: DataRecipe, part: string): Part {
  const format = formatOf(recipe);
  return format.kind === 'coded' ? codedPart(recipe, part, format) : residentPart(recipe, part, format);
}

/**
 * The shape and sizes of a recipe's data, without an image: from headers and file sizes where these say all, and otherwise from all labels and the places of all images. So it
 * lists the folders of images, reads a CSV file whole, the labels of an npz archive, and the headers of tar shards that are not in the cache; compressed shards it unpacks first, once, which
 * takes as long as reading them. Throws data.missing or data.damaged about files, recipe.invalid about a split that the files do not hold, and system.failed where there is no room to unpack.
 */
export async function inspectData(recipe: DataRecipe, cache = new FingerprintCache()): Promise<DataInfo> {
  const info = await inspectFiles(recipe, cache);
  checkNormalise(recipe, info.channels);
  return info;
}

/** The same, whatever the recipe says of mean and deviation. */
async function inspectFiles(recipe: DataRecipe, cache: FingerprintCache): Promise<DataInfo> {
  const summaries = new Map<string, PartSummary>();
  for (const part of partsOf(recipe)) {
    const summary = await partOf(recipe, part).summary(cache);
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

/** The facts about a split that its labels and fingerprint tell. */
export interface SplitContent {
  readonly name: string;
  readonly samples: number;
  /** See fingerprint.ts. */
  readonly fingerprint: string;
  /** The number of samples of each class. */
  readonly classCounts: readonly number[];
}

/** Two splits with images that are the same to the byte. */
export interface SharedImages {
  readonly splits: readonly [string, string];
  /** The number of images of the second split that are in the first one too. */
  readonly count: number;
}

export interface DataContent<Split extends SplitContent = SplitContent> {
  /** The splits in the order of the recipe. */
  readonly splits: readonly Split[];
  /** Every two splits that share images, in both orders. */
  readonly shared: readonly SharedImages[];
}

export type VerifiedSplit = SplitContent & Statistics;

export interface VerifiedData extends DataContent<VerifiedSplit> {
  /** The files of the parts that the splits use. */
  readonly files: readonly DataFile[];
  /** Files with broken data that a decoder passes over, as other programs do: some of their pixels may be wrong. */
  readonly doubtful: readonly string[];
}

export interface ContentOptions {
  readonly cache?: FingerprintCache | undefined;
  /** Gets the number of samples of each split, and what copies some of them by their places in it. It is only lent. */
  readonly onSplit?: ((name: string, count: number, pick: (samples: readonly number[]) => LabelledImages) => void) | undefined;
}

/**
 * Reads every file of the parts that the recipe's splits use, and checks all that is not decoded: of a coded image that it is whole, and only
 * `data verify` decodes each. The fingerprints are kept for {@link fingerprintSplit}. The recipe's mean and deviation are not looked at. Throws as {@link inspectData} does.
 */
export async function readContent(recipe: DataRecipe, { cache, onSplit }: ContentOptions = {}): Promise<DataContent> {
  return readParts(recipe, cache, async (part, ranges) => {
    for (const range of ranges) onSplit?.(range.name, range.to - range.from, (samples) => part.pick(range, samples));
  });
}

/**
 * Does the same, and looks at every pixel. The fingerprints are of what was read; only those of files of coded images may be from the cache, while
 * the files stay as they are. Throws as {@link inspectData} does, and about the first image that cannot be decoded.
 */
export async function verifyData(recipe: DataRecipe, cache?: FingerprintCache): Promise<VerifiedData> {
  const files: DataFile[] = [];
  const doubtful: string[] = [];
  const statistics = new Map<string, Statistics>();
  const { splits, shared } = await readParts(recipe, cache, async (part, ranges) => {
    const survey = await part.survey(ranges);
    files.push(...part.files);
    doubtful.push(...survey.doubtful);
    ranges.forEach(({ name }, i) => {
      statistics.set(name, present(survey.statistics[i], name));
    });
  });
  return { files, splits: splits.map((split) => ({ ...split, ...present(statistics.get(split.name), split.name) })), shared, doubtful };
}

type PartVisitor = (part: LoadedPart, ranges: readonly SplitRange[]) => Promise<void>;

/** Reads one part after the other, so that only one of them is in memory. */
async function readParts(recipe: DataRecipe, cache = new FingerprintCache(), visit: PartVisitor): Promise<DataContent> {
  await inspectFiles(recipe, cache);
  const found = new Map<string, SplitContent>();
  const digests = new Map<string, readonly string[]>();
  for (const wanted of partsOf(recipe)) {
    const splits = Object.entries(recipe.splits).filter(([, { part }]) => part === wanted);
    const part = partOf(recipe, wanted);
    const keysBefore = await Promise.all(splits.map(([, split]) => part.cacheKey(split)));
    const loaded = await part.load(cache);
    const ranges = splits.map(([name, split]) => rangeOf(name, split, loaded.count));
    await visit(loaded, ranges);
    for (const [i, range] of ranges.entries()) {
      const fingerprint = await loaded.source(range).fingerprint();
      found.set(range.name, { name: range.name, samples: range.to - range.from, fingerprint, classCounts: loaded.classCounts(range) });
      digests.set(range.name, loaded.digests(range));
      await keepFingerprint({ part, split: splits[i]![1], keyBefore: keysBefore[i]!, fingerprint, cache });
    }
  }
  return { splits: Object.keys(recipe.splits).map((name) => present(found.get(name), name)), shared: sharedImages(digests) };
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
 * The source of one split: its samples in memory, or the files that they are decoded from. The files of its part are read and checked, but for the pixels of
 * coded images; digests of such files that are known are not computed again. Throws as {@link inspectData} does.
 */
export async function loadSplit(recipe: DataRecipe, name: string, cache = new FingerprintCache()): Promise<SampleSource> {
  const split = splitNamed(recipe, name);
  const part = await partOf(recipe, split.part).load(cache);
  checkNormalise(recipe, part.channels);
  return part.source(rangeOf(name, split, part.count));
}

/** The source of a split as {@link loadSplit} gives it, with the SHA-256 of each image's bytes, [count, 32], where its samples are coded images. */
export async function loadSplitToFeed(
  recipe: DataRecipe,
  name: string,
  cache = new FingerprintCache(),
): Promise<{ readonly source: SampleSource; readonly digests: Uint8Array | null }> {
  const split = splitNamed(recipe, name);
  const part = await partOf(recipe, split.part).load(cache);
  const range = rangeOf(name, split, part.count);
  return { source: part.source(range), digests: part.codedDigests(range) };
}

/** The fingerprint of a split and the digest of each of its images, from its files. The recipe's mean and deviation are not looked at. Throws as {@link inspectData} does. */
export async function identifySplit(
  recipe: DataRecipe,
  name: string,
): Promise<{ readonly fingerprint: string; readonly images: readonly string[] }> {
  const split = splitNamed(recipe, name);
  const part = await partOf(recipe, split.part).load(new FingerprintCache());
  const range = rangeOf(name, split, part.count);
  return { fingerprint: await part.source(range).fingerprint(), images: part.digests(range) };
}

/**
 * The fingerprint of a split, for a process that does not need its samples. While the split's files do not change it comes from the
 * cache, and no file is opened; otherwise the split is loaded for it. Throws as {@link loadSplit} does.
 */
export async function fingerprintSplit(recipe: DataRecipe, name: string, cache = new FingerprintCache()): Promise<string> {
  const split = splitNamed(recipe, name);
  const part = partOf(recipe, split.part);
  const keyBefore = await part.cacheKey(split);
  const known = keyBefore === null ? null : await cache.get(keyBefore);
  if (known !== null) return known;
  const source = await loadSplit(recipe, name, cache);
  const fingerprint = await source.fingerprint();
  await keepFingerprint({ part, split, keyBefore, fingerprint, cache });
  return fingerprint;
}

interface Fingerprinted {
  readonly part: Part;
  readonly split: SplitRecipe;
  /** The key of the split before its files were read. */
  readonly keyBefore: string | null;
  readonly fingerprint: string;
  readonly cache: FingerprintCache;
}

/** Keeps the fingerprint, unless a file changed while it was read: then it is not known to which content the fingerprint belongs. */
async function keepFingerprint({ part, split, keyBefore, fingerprint, cache }: Fingerprinted): Promise<void> {
  if (keyBefore !== null && (await part.cacheKey(split)) === keyBefore) await cache.put(keyBefore, fingerprint);
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
  checkSameClasses(recipe, a, b);
  if (a.height === b.height && a.width === b.width && a.channels === b.channels) return;
  const [first, second] = [a, b].map(({ part, height, width, channels }) => `part ${part} are ${height}x${width}x${channels}`);
  throw new StillhouseError('data.damaged', `images of ${first}, images of ${second}`, {
    file: recipe.path,
    hint: 'Check that both are of one data set',
  });
}

/** Labels are numbers of classes in the order of their names: where one part has a class more, all after it would have other numbers. */
function checkSameClasses(recipe: DataRecipe, a: PartShape, b: PartShape): void {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (other.classNames === undefined) continue;
    const known = new Set(other.classNames);
    const more = one.classNames?.find((name) => !known.has(name));
    if (more === undefined) continue;
    const remedy = formatOf(recipe).settings?.includes('classes') === true ? ': give the names of all in data.classes' : '';
    throw new StillhouseError('data.damaged', `part ${one.part} has the class ${more}, and part ${other.part} has not`, {
      file: recipe.path,
      hint: `All parts need the same classes, because the number of a class is its place among them${remedy}`,
    });
  }
  if (a.classes === b.classes) return;
  throw new StillhouseError('data.damaged', `part ${a.part} has ${a.classes} classes, and part ${b.part} has ${b.classes}`, {
    file: recipe.path,
    hint: 'Say how many there are, as in data.classes: 10, or their names',
  });
}
