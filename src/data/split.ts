/**
 * What training and teaching see of a data set: one split of the recipe, in memory. Pixels stay bytes until a batch is
 * assembled. A sample is named by its index within the split: that is what the order permutes and what travels.
 */

import { assert } from '../base/assert.js';
import type { SplitRecipe } from '../config/schema.js';

/** What a model must fit: [height, width, channels] in, `classes` out. */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

export interface DataFile {
  readonly file: string;
  readonly samples: number;
}

/** One part of a data set as its files hold it, checked: every label is below `classes`. */
export interface ImagePart extends ImageShape {
  readonly name: SplitRecipe['part'];
  readonly count: number;
  /** [count, height, width, channels], row-major. */
  readonly pixels: Uint8Array;
  /** [count] */
  readonly labels: Uint8Array;
  /** The files it came from, in order, and how many samples each holds. */
  readonly files: readonly DataFile[];
}

export interface Split extends ImageShape {
  readonly name: string;
  readonly count: number;
  /** [count, height, width, channels], row-major. Not to be changed. */
  readonly pixels: Uint8Array;
  /** The class of a sample, below `classes`. */
  label(sample: number): number;
}

/** Samples [from, to) of a part. Holds memory for these alone. */
export function splitOf(part: ImagePart, { name, from, to }: { name: string; from: number; to: number }): Split {
  assert(0 <= from && from < to && to <= part.count, `split ${name}: [${from}, ${to}) is not in [0, ${part.count})`);
  const { height, width, channels, classes } = part;
  const whole = from === 0 && to === part.count;
  const bytes = height * width * channels;
  const labels = whole ? part.labels : new Uint8Array(part.labels.subarray(from, to));
  return {
    name,
    count: to - from,
    height,
    width,
    channels,
    classes,
    pixels: whole ? part.pixels : new Uint8Array(part.pixels.subarray(from * bytes, to * bytes)),
    label(sample) {
      const label = labels[sample];
      assert(label !== undefined, `split ${name} has no sample ${sample}`);
      return label;
    },
  };
}
