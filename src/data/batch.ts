/**
 * Bytes to a batch: augmented, normalised pixels in arrays that the caller owns. No file, no state.
 *
 * Shapes: B samples, H rows, W columns, C channels. Padding is black in raw pixels, so after normalising it is
 * (0 - mean) / std of its channel.
 */

import { assert } from '../base/assert.js';
import type { AugmentRecipe, DataRecipe } from '../config/schema.js';
import { type Placement, placementOf, UNMOVED } from './augment.js';
import type { Split } from './split.js';

/** What turns a sample into pixels. `augment: null` is the view for evaluation: normalised only, whatever seed and epoch. */
export interface BatchView {
  readonly seed: number;
  readonly epoch: number;
  readonly augment: AugmentRecipe | null;
  readonly normalise: DataRecipe['normalise'];
}

/** Owned by the caller; each may be longer than the batch, and what is beyond it is left alone. */
export interface BatchArrays {
  /** [B, H, W, C] */
  readonly images: Float32Array;
  /** [B] */
  readonly labels: Int32Array;
}

export interface BatchPlan {
  readonly split: Split;
  readonly view: BatchView;
  /** [B], indices within the split; the batch has their order. */
  readonly samples: Int32Array | readonly number[];
  readonly out: BatchArrays;
}

/** Writes the views of the samples and their labels to the start of `out`. Asserts that they fit. */
export function assembleBatch({ split, view, samples, out }: BatchPlan): void {
  const imageSize = split.height * split.width * split.channels;
  assert(out.images.length >= samples.length * imageSize && out.labels.length >= samples.length, 'the arrays are too small for the batch');
  const painter = painterOf(split, view.normalise);
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i]!;
    out.labels[i] = split.label(sample);
    const placement = view.augment === null ? UNMOVED : placementOf(view.augment, view, sample);
    paint(painter, placement, { source: sample * imageSize, image: out.images.subarray(i * imageSize, (i + 1) * imageSize) });
  }
}

interface Painter {
  readonly split: Split;
  /** [C, 256]: the normalised value of each byte. */
  readonly table: Float32Array;
  /** [W, C]: a row of padding. */
  readonly blackRow: Float32Array;
}

function painterOf(split: Split, normalise: DataRecipe['normalise']): Painter {
  const { channels, width } = split;
  const { mean, std } = normalise;
  assert(mean.length === channels && std.length === channels, `normalise has not one mean and std for each of ${channels} channels`);
  const table = new Float32Array(channels * 256);
  for (let i = 0; i < table.length; i++) {
    const channel = i >> 8;
    table[i] = ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  }
  const blackRow = Float32Array.from({ length: width * channels }, (_, i) => table[(i % channels) * 256]!);
  return { split, table, blackRow };
}

interface ImageJob {
  /** The image's first byte in the split's pixels. */
  readonly source: number;
  /** [H, W, C] */
  readonly image: Float32Array;
}

/** Paints one image, all of it: row by row, what is inside, on black where not all is. */
function paint({ split, table, blackRow }: Painter, { down, right, flip }: Placement, { source, image }: ImageJob): void {
  const { pixels, height, width, channels } = split;
  const rowSize = width * channels;
  const columns = width - Math.abs(right);
  const firstColumn = Math.max(0, -right);
  const firstWrite = (flip ? width - 1 - firstColumn : firstColumn) * channels;
  const job = { pixels, table, image, channels, columns, flip };
  for (let y = 0; y < height; y++) {
    const inside = y + down >= 0 && y + down < height && columns > 0;
    if (!inside || right !== 0) image.set(blackRow, y * rowSize);
    if (!inside) continue;
    const read = source + (y + down) * rowSize + Math.max(0, right) * channels;
    paintRow(job, read, y * rowSize + firstWrite);
  }
}

interface RowJob {
  readonly pixels: Uint8Array;
  readonly table: Float32Array;
  readonly image: Float32Array;
  readonly channels: number;
  /** Pixels to copy from each row. */
  readonly columns: number;
  readonly flip: boolean;
}

/** Pixels from byte `read` on to element `write` of the image: forwards, or backwards when mirrored. */
function paintRow({ pixels, table, image, channels, columns, flip }: RowJob, read: number, write: number): void {
  const step = flip ? -channels : channels;
  for (let channel = 0; channel < channels; channel++) {
    const base = channel * 256;
    let from = read + channel;
    let to = write + channel;
    for (let column = 0; column < columns; column++) {
      image[to] = table[base + pixels[from]!]!;
      from += channels;
      to += step;
    }
  }
}
