/**
 * A source of samples: one split of the recipe. A sample is named by its index within the split: the order
 * permutes these indices, and only they travel. A source has shapes, sizes, classes and its fingerprint. Pixels come from the loader
 * alone, so nothing outside src/data knows where they lie.
 *
 * The store of a source is how a loader thread reaches the samples: plain data, with a tag that names its kind.
 */

import { InvariantError } from '../base/assert.js';

/** The shape that a model must fit: [height, width, channels] in, `classes` out. */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

/** Images in memory, with the class of each. */
export interface LabelledImages extends ImageShape {
  readonly count: number;
  /** [count, height, width, channels], row-major: a byte for each channel of each pixel. */
  readonly pixels: Uint8Array;
  /**
   * [count]: the class of each sample, from 0, below `classes`. It has 32 bits as in a batch and in a tensor of int32, so a label
   * is never cut; four bytes are little beside the pixels of a sample.
   */
  readonly labels: Int32Array;
}

/** Every pixel and label in memory that threads share: a thread reads them where they are. Not to be changed. */
export interface ResidentStore extends LabelledImages {
  readonly kind: 'resident';
  /** The name of the split, for messages. */
  readonly name: string;
  readonly pixels: Uint8Array<SharedArrayBuffer>;
  readonly labels: Int32Array<SharedArrayBuffer>;
}

/** The files that coded images lie in: one for each image, or some that have many of them. F is their number. */
export interface ImagePlaces {
  /** The absolute folder from which the names of the files start. */
  readonly folder: string;
  /** The names one after the other, in UTF-8; that of file i is [offsets[i], offsets[i + 1]). */
  readonly names: Uint8Array<SharedArrayBuffer>;
  /** [F + 1] */
  readonly offsets: Int32Array<SharedArrayBuffer>;
  /** The piece of a file that each image is; null where sample i is the whole file i. */
  readonly pieces: ImagePieces | null;
}

/** Images that are pieces of files, such as the members of an archive. */
export interface ImagePieces {
  /** [count]: the number of the file of each image. */
  readonly files: Int32Array<SharedArrayBuffer>;
  /** [count]: the byte of the file where it begins. */
  readonly starts: Float64Array<SharedArrayBuffer>;
  /** [count]: its bytes. */
  readonly lengths: Int32Array<SharedArrayBuffer>;
}

/**
 * Coded images in files: a thread reads and decodes those of a batch. Some fifty bytes of each lie in memory. Not to be changed. Its images are squares
 * of `height`, which is `width`.
 */
export interface CodedStore extends ImageShape, ImagePlaces {
  readonly kind: 'coded';
  /** The name of the split, for messages. */
  readonly name: string;
  readonly count: number;
  /** [F]: the bytes of each file when it was indexed. */
  readonly sizes: Float64Array<SharedArrayBuffer>;
  /** [F]: when each file was written last, as it was indexed, in nanoseconds since 1970. */
  readonly times: BigInt64Array<SharedArrayBuffer>;
  /** [count]: as those of {@link LabelledImages}. */
  readonly labels: Int32Array<SharedArrayBuffer>;
  /** The length that the shorter side of an image is resized to before its middle is cut out. */
  readonly resize: number;
}

/**
 * Images that came from another machine (feed/README.md): each is a file with the name of its SHA-256, which is there once its sample was prepared. Not to
 * be changed. Its images are squares of `height`, which is `width`.
 */
export interface FetchedStore extends ImageShape {
  readonly kind: 'fetched';
  /** The name of the split, for messages. */
  readonly name: string;
  readonly count: number;
  /** The absolute folder of the files (feed/fetched-image.ts). */
  readonly folder: string;
  /** [count, 32]: the SHA-256 of each file. */
  readonly digests: Uint8Array<SharedArrayBuffer>;
  /** [count]: as those of {@link LabelledImages}. */
  readonly labels: Int32Array<SharedArrayBuffer>;
  /** As that of {@link CodedStore}. */
  readonly resize: number;
}

/** All kinds of stores, by `kind`. It can be sent to a thread. base-image.ts has a way to the pixels of each kind. */
export type SampleStore = ResidentStore | CodedStore | FetchedStore;

export interface SampleSource extends ImageShape {
  /** The split's name in the recipe. */
  readonly name: string;
  /** The number of samples. */
  readonly count: number;
  readonly store: SampleStore;
  /** The class of a sample. Asserts that there is such a sample. */
  label(sample: number): number;
  /** The fingerprint of its content, 64 hexadecimal digits: see fingerprint.ts. */
  fingerprint(): Promise<string>;
  /**
   * Makes samples ready to be read through the store; left out where all are ready at any time. Resolves to what ends their use: until it is called they
   * stay ready. Rejects when they cannot be had.
   */
  prepare?(samples: Int32Array): Promise<() => void>;
}

/** The class of a sample. Asserts that there is such a sample. */
export function labelOf({ name, labels }: Pick<SampleStore, 'name' | 'labels'>, sample: number): number {
  const label = labels[sample];
  // Not by assert: that would make the message for every sample of every batch.
  if (label === undefined) throw new InvariantError(`split ${name} has no sample ${sample}`);
  return label;
}
