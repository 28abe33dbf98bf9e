/** Facts about the content of images: the number of each class, the mean and deviation of their channels, a digest of each. */

import { createHash } from 'node:crypto';
import type { LabelledImages } from './sample-source.js';

const PIXEL_MAX = 255;

/** Mean and deviation of each channel over all pixels, for pixels from 0 to 1: as `data.normalise` wants those of the split to train on. */
export interface Statistics {
  readonly mean: readonly number[];
  /** The standard deviation. */
  readonly std: readonly number[];
}

/** The number of samples of each class. */
export function countClasses(labels: Int32Array, classes: number): readonly number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]! += 1;
  return counts;
}

/** Counts the pixels of images, a few at a time. */
export class PixelCount {
  readonly #histograms: readonly Float64Array[];

  constructor(channels: number) {
    this.#histograms = Array.from({ length: channels }, () => new Float64Array(PIXEL_MAX + 1));
  }

  /** Pixels with their channels one after the other. */
  add(pixels: Uint8Array): void {
    const channels = this.#histograms.length;
    for (let channel = 0; channel < channels; channel++) {
      const histogram = this.#histograms[channel]!;
      for (let at = channel; at < pixels.length; at += channels) histogram[pixels[at]!]! += 1;
    }
  }

  statistics(): Statistics {
    const moments = this.#histograms.map(momentsOf);
    return { mean: moments.map(({ mean }) => mean), std: moments.map(({ std }) => std) };
  }
}

/** The statistics of images in memory. */
export function statisticsOf({ channels, pixels }: Pick<LabelledImages, 'channels' | 'pixels'>): Statistics {
  const count = new PixelCount(channels);
  count.add(pixels);
  return count.statistics();
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
