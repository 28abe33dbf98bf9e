/** The index of a part whose samples are coded images: where each of them lies, and its label. An index opens no image. */

import type { ImagePlaces } from './sample-source.js';

/** The copies in the user's cache of files that are read there. */
export interface UnpackedFiles {
  readonly folder: string;
  /** The bytes of all copies together. */
  readonly bytes: number;
}

export interface ImageIndex extends ImagePlaces {
  /** The path that messages and the cache of digests know the part by: its folder, or the file that lists its images. */
  readonly source: string;
  readonly count: number;
  /** Every label is below. */
  readonly classes: number;
  /** Where the classes have names: those in the order of the labels. */
  readonly classNames?: readonly string[];
  /** [count] */
  readonly labels: Int32Array<SharedArrayBuffer>;
  /** The number of files that are left out, because their names are not those of images. */
  readonly leftOut: number;
  /** Where files are packed, and copies of them are read. */
  readonly unpacked?: UnpackedFiles;
}

/** Names as an index holds them. */
export function packNames(names: readonly Uint8Array[]): Pick<ImageIndex, 'names' | 'offsets'> {
  const bytes = new Uint8Array(new SharedArrayBuffer(names.reduce((sum, name) => sum + name.length, 0)));
  const offsets = new Int32Array(new SharedArrayBuffer(4 * (names.length + 1)));
  for (const [i, name] of names.entries()) {
    bytes.set(name, offsets[i]);
    offsets[i + 1] = offsets[i]! + name.length;
  }
  return { names: bytes, offsets };
}

/** The labels in memory that threads share. */
export function shareLabels(labels: ArrayLike<number>): Int32Array<SharedArrayBuffer> {
  const shared = new Int32Array(new SharedArrayBuffer(4 * labels.length));
  shared.set(labels);
  return shared;
}
