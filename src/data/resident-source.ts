/** A source whose samples all lie in memory: their pixels stay bytes until a batch is assembled. */

import { assert } from '../base/assert.js';
import { fingerprintOf } from './fingerprint.js';
import { shareLabels } from './image-index.js';
import { type LabelledImages, labelOf, type ResidentStore, type SampleSource } from './sample-source.js';

/** Samples [from, to) of a part, under the name of a split. */
export interface SplitRange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** `count` zero bytes in memory that threads can share. */
export function sharedBytes(count: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(count));
}

/**
 * The source of a range of the images. It holds memory for these alone; pixels are not copied when the range covers all images and
 * they are in shared memory already. Asserts that the images have the range.
 */
export function residentSource(images: LabelledImages, { name, from, to }: SplitRange): SampleSource {
  const { height, width, channels, classes } = images;
  const { count, pixels, labels } = cutImages(images, { name, from, to });
  const shape = { height, width, channels, classes };
  const store: ResidentStore = { kind: 'resident', name, ...shape, count, pixels: sharePixels(pixels), labels: shareLabels(labels) };
  return { name, ...shape, count, store, label: (sample) => labelOf(store, sample), fingerprint: () => fingerprintOf(store) };
}

/** The images of a range, as views on the same memory. Asserts that the images have the range. */
export function cutImages(images: LabelledImages, { name, from, to }: SplitRange): LabelledImages {
  assert(0 <= from && from < to && to <= images.count, `split ${name}: [${from}, ${to}) is not in [0, ${images.count})`);
  const { height, width, channels, classes } = images;
  const bytes = height * width * channels;
  const pixels = images.pixels.subarray(from * bytes, to * bytes);
  return { height, width, channels, classes, count: to - from, pixels, labels: images.labels.subarray(from, to) };
}

/** The same bytes in shared memory of exactly their size. */
function sharePixels(pixels: Uint8Array): Uint8Array<SharedArrayBuffer> {
  if (isShared(pixels) && pixels.length === pixels.buffer.byteLength) return pixels;
  const shared = sharedBytes(pixels.length);
  shared.set(pixels);
  return shared;
}

function isShared(bytes: Uint8Array): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer;
}
