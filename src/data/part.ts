/**
 * A part of a recipe's data, whichever kind its format is of: its samples lie in memory (resident-part.ts) or are read and decoded when they are needed
 * (coded-part.ts). dataset.ts knows this interface alone.
 */

import type { SplitRecipe } from '../config/schema.js';
import type { FingerprintCache } from './fingerprint-cache.js';
import type { DataFile, PartSummary } from './format.js';
import type { SplitRange } from './resident-source.js';
import type { LabelledImages, SampleSource } from './sample-source.js';
import type { Statistics } from './statistics.js';

export interface Part {
  /** The facts that are known without reading an image. Throws data.missing or data.damaged. */
  summary(cache: FingerprintCache): Promise<PartSummary>;
  /** The key of a split's fingerprint in the cache; null for a part that has another way to know its fingerprints. */
  cacheKey(split: SplitRecipe): Promise<string | null>;
  /** Makes it ready for all below. Throws data.missing or data.damaged. */
  load(cache: FingerprintCache): Promise<LoadedPart>;
}

/** A part that is ready. Ranges are within it. */
export interface LoadedPart extends PartSummary {
  /** Its files; or its folder, where each sample is a file. */
  readonly files: readonly DataFile[];
  source(range: SplitRange): SampleSource;
  /** The number of samples of each class. */
  classCounts(range: SplitRange): readonly number[];
  /** A digest of each image: two images are the same when their digests are. */
  digests(range: SplitRange): readonly string[];
  /** [count, 32]: the SHA-256 of the bytes of each sample's coded image; null where samples lie in memory. */
  codedDigests(range: SplitRange): Uint8Array | null;
  /** Some samples of a range, by their places in it, as a copy. Throws data.missing or data.damaged about one that is decoded for it. */
  pick(range: SplitRange, samples: readonly number[]): LabelledImages;
  /** Looks at every pixel, also of samples in no range. Throws data.missing or data.damaged about the first image that cannot be decoded. */
  survey(ranges: readonly SplitRange[]): Promise<Survey>;
}

export interface Survey {
  /** By range. */
  readonly statistics: readonly Statistics[];
  /** Files with broken data that a decoder passes over, as other programs do: some of their pixels may be wrong. */
  readonly doubtful: readonly string[];
}
