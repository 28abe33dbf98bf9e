/**
 * What training and teaching see of a data set: one split of the recipe, in memory. Pixels stay bytes until a batch is
 * assembled. A sample is named by its index within the split: that is what the order permutes and what travels.
 *
 * Pixels and labels lie in shared memory, so that loader threads read them where they are.
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
  readonly pixels: Uint8Array<SharedArrayBuffer>;
  /** [count]: the class of each sample, below `classes`. Not to be changed. */
  readonly labels: Uint8Array<SharedArrayBuffer>;
  /** The class of a sample. Asserts that there is such a sample. */
  label(sample: number): number;
}

/** What a split is made of: nothing but data, so it can be sent to a thread. */
export type SplitParts = Omit<Split, 'label'>;

/** So many zero bytes that threads can share. */
export function sharedBytes(count: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(count));
}

/** The split of these parts. */
export function splitFrom(parts: SplitParts): Split {
  const { name, labels } = parts;
  return {
    ...parts,
    label(sample) {
      const label = labels[sample];
      assert(label !== undefined, `split ${name} has no sample ${sample}`);
      return label;
    },
  };
}

/** Samples [from, to) of a part. Holds memory for these alone; copies nothing when they are all and shared already. */
export function splitOf(part: ImagePart, { name, from, to }: { name: string; from: number; to: number }): Split {
  assert(0 <= from && from < to && to <= part.count, `split ${name}: [${from}, ${to}) is not in [0, ${part.count})`);
  const { height, width, channels, classes } = part;
  const bytes = height * width * channels;
  return splitFrom({
    name,
    count: to - from,
    height,
    width,
    channels,
    classes,
    pixels: sharedPart(part.pixels, from * bytes, to * bytes),
    labels: sharedPart(part.labels, from, to),
  });
}

/** Bytes [from, to) in shared memory of exactly this size. */
function sharedPart(bytes: Uint8Array, from: number, to: number): Uint8Array<SharedArrayBuffer> {
  if (isShared(bytes) && to - from === bytes.buffer.byteLength) return bytes;
  const shared = sharedBytes(to - from);
  shared.set(bytes.subarray(from, to));
  return shared;
}

function isShared(bytes: Uint8Array): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer;
}
