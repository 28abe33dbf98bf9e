/** Facts about the content of images as a whole: their classes, the mean and deviation of their channels, a digest of each. */

import { createHash } from 'node:crypto';
import type { LabelledImages } from './sample-source.js';

const PIXEL_MAX = 255;

export interface Statistics {
  /** The number of samples of each class. */
  readonly classCounts: readonly number[];
  /**
   * The mean and the standard deviation of each channel over all pixels, for pixels from 0 to 1, as `data.normalise` wants those of the
   * split to train on.
   */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Counts the classes and the pixels. */
export function statisticsOf({ classes, channels, pixels, labels }: LabelledImages): Statistics {
  const classCounts = new Array<number>(classes).fill(0);
  for (const label of labels) classCounts[label]! += 1;
  const histograms = Array.from({ length: channels }, () => new Float64Array(PIXEL_MAX + 1));
  for (let at = 0; at < pixels.length; at += channels) {
    for (let channel = 0; channel < channels; channel++) histograms[channel]![pixels[at + channel]!]! += 1;
  }
  const moments = histograms.map(momentsOf);
  return { classCounts, mean: moments.map(({ mean }) => mean), std: moments.map(({ std }) => std) };
}

/** Exact sums, because the values are whole numbers. */
function momentsOf(histogram: Float64Array): { readonly mean: number; readonly std: number } {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (const [value, times] of histogram.entries()) {
    count += times;
    sum += times * value;
    squares += times * value * value;
  }
  const mean = sum / count;
  return { mean: mean / PIXEL_MAX, std: Math.sqrt(Math.max(0, squares / count - mean * mean)) / PIXEL_MAX };
}

/** A digest of the pixels of each image: two images are the same when their digests are. */
export function imageDigests({ count, height, width, channels, pixels }: LabelledImages): readonly string[] {
  const bytes = height * width * channels;
  return Array.from({ length: count }, (_, i) =>
    createHash('sha256')
      .update(pixels.subarray(i * bytes, (i + 1) * bytes))
      .digest('base64'),
  );
}
