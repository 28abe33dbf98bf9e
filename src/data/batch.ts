/**
 * Makes a batch from the images of a store: augmented, normalised pixels in arrays that the caller owns.
 *
 * Shapes: B samples, H rows, W columns, C channels. Padding is black in raw pixels, so after normalising it is
 * (0 - mean) / std of its channel.
 */

import { assert } from '../base/assert.js';
import type { AugmentRecipe, DataRecipe } from '../config/schema.js';
import { type Placement, placementOf, UNMOVED } from './augment.js';
import { type BaseImage, baseImagesOf } from './base-image.js';
import { type Mix, mixesOf } from './mix.js';
import { recolouring } from './recolour.js';
import { type ImageShape, labelOf, type SampleStore } from './sample-source.js';

/** How a sample becomes pixels. `augment: null` is the view for evaluation: it is only normalised, so seed and epoch change nothing. */
export interface BatchView {
  readonly seed: number;
  readonly epoch: number;
  readonly augment: AugmentRecipe | null;
  readonly normalise: DataRecipe['normalise'];
}

/** The arrays of a batch, which the caller owns. Each may be longer than the batch; elements beyond the batch do not change. */
export interface BatchArrays {
  /** [B, H, W, C] */
  readonly images: Float32Array;
  /** [B]: of an image that is mixed of two, the class of the first; mix.ts has that of the second. */
  readonly labels: Int32Array;
}

export interface BatchPlan {
  readonly store: SampleStore;
  readonly view: BatchView;
  /** [B], indices within the store's split; the batch has their order. */
  readonly samples: Int32Array | readonly number[];
  readonly out: BatchArrays;
}

/**
 * Writes the views of the samples and their labels to the start of `out`. Asserts that they fit. Throws data.damaged and data.missing about a
 * file that is read for it.
 */
export function assembleBatch({ store, view, samples, out }: BatchPlan): void {
  const imageSize = store.height * store.width * store.channels;
  assert(out.images.length >= samples.length * imageSize && out.labels.length >= samples.length, 'the arrays are too small for the batch');
  const painter = painterOf(store, view.normalise, out.images);
  const imageOf = recoloured(store, view);
  const paintView = (by: Painter, sample: number, to: number): void => {
    const placement = view.augment === null ? UNMOVED : placementOf(view.augment, view, sample);
    paint(by, placement, { ...imageOf(sample), to });
  };
  const mixOf = mixesOf(view, store);
  const second: Painter = { ...painter, images: new Float32Array(mixOf === null ? 0 : imageSize) };
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i]!;
    out.labels[i] = labelOf(store, sample);
    paintView(painter, sample, i * imageSize);
    if (mixOf === null) continue;
    const mix = mixOf(sample);
    paintView(second, mix.second, 0);
    addSecond(painter, i * imageSize, { mix, second: second.images });
  }
}

/** The images of samples with the colours that the view gives them, each lent until the next one is asked for. */
function recoloured(store: SampleStore, view: BatchView): (sample: number) => BaseImage {
  const baseImage = baseImagesOf(store, view);
  const recolour = recolouring(view);
  if (recolour === null) return baseImage;
  const { height, width, channels } = store;
  const own = { pixels: new Uint8Array(height * width * channels), height, width, channels };
  return (sample) => {
    const { pixels, from } = baseImage(sample);
    own.pixels.set(pixels.subarray(from, from + own.pixels.length));
    recolour(own, sample);
    return { pixels: own.pixels, from: 0 };
  };
}

/** Mixes a second image [H, W, C] into the one at element `to` of the batch. */
function addSecond({ shape, images }: Painter, to: number, { mix, second }: { readonly mix: Mix; readonly second: Float32Array }): void {
  const { share, box } = mix;
  if (box === null) {
    for (let i = 0; i < second.length; i++) images[to + i] = share * images[to + i]! + (1 - share) * second[i]!;
    return;
  }
  const { channels, width } = shape;
  for (let row = box.top; row < box.top + box.height; row++) {
    const from = (row * width + box.left) * channels;
    images.set(second.subarray(from, from + box.width * channels), to + from);
  }
}

interface Painter {
  readonly shape: Omit<ImageShape, 'classes'>;
  /** For each channel the normalised value of each byte, [256]. */
  readonly tables: readonly Float32Array[];
  /** [W, C]: a row of padding. */
  readonly blackRow: Float32Array;
  /** The batch's images, which it writes. */
  readonly images: Float32Array;
}

function painterOf(shape: Painter['shape'], { mean, std }: DataRecipe['normalise'], images: Float32Array): Painter {
  const { channels, width } = shape;
  assert(mean.length === channels && std.length === channels, `normalise has not one mean and std for each of ${channels} channels`);
  const tables = mean.map((_, channel) => {
    const table = new Float32Array(256);
    for (let byte = 0; byte < 256; byte++) table[byte] = (byte / 255 - mean[channel]!) / std[channel]!;
    return table;
  });
  const blackRow = new Float32Array(width * channels);
  for (let i = 0; i < blackRow.length; i++) blackRow[i] = tables[i % channels]![0]!;
  return { shape, tables, blackRow, images };
}

/** The bytes of an image, and its first element in the batch. */
interface ImagePlace extends BaseImage {
  readonly to: number;
}

/** Paints one whole image, row by row; it is black where the crop goes beyond the sample's pixels. */
function paint(painter: Painter, { down, right, flip }: Placement, { pixels, from, to }: ImagePlace): void {
  const { shape, blackRow, images } = painter;
  const { height, width, channels } = shape;
  const paintRow = channels === 3 ? paintRowOfThree : paintRowOfAny;
  const rowSize = width * channels;
  const columns = width - Math.abs(right);
  const firstRead = from + Math.max(0, right) * channels;
  const firstColumn = Math.max(0, -right);
  const firstWrite = (flip ? width - 1 - firstColumn : firstColumn) * channels;
  // The columns that the crop left empty are at one side.
  const black = right > 0 === flip ? { from: 0, to: rowSize - columns * channels } : { from: columns * channels, to: rowSize };
  for (let y = 0; y < height; y++) {
    const row = to + y * rowSize;
    const inside = y + down >= 0 && y + down < height && columns > 0;
    if (!inside) images.set(blackRow, row);
    else {
      for (let i = black.from; i < black.to; i++) images[row + i] = blackRow[i]!;
      paintRow(painter, { pixels, read: firstRead + (y + down) * rowSize, write: row + firstWrite, columns, flip });
    }
  }
}

/** `columns` pixels from byte `read` on, to element `write` of the batch and on: backwards when mirrored. */
interface RowPlace {
  readonly pixels: Uint8Array;
  readonly read: number;
  readonly write: number;
  readonly columns: number;
  readonly flip: boolean;
}

/** One pass for the three channels: nearly twice as fast as {@link paintRowOfAny}. */
function paintRowOfThree({ tables, images }: Painter, { pixels, read, write, columns, flip }: RowPlace): void {
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  const step = flip ? -3 : 3;
  const end = read + 3 * columns;
  for (let from = read, to = write; from < end; from += 3, to += step) {
    images[to] = red[pixels[from]!]!;
    images[to + 1] = green[pixels[from + 1]!]!;
    images[to + 2] = blue[pixels[from + 2]!]!;
  }
}

function paintRowOfAny({ shape, tables, images }: Painter, { pixels, read, write, columns, flip }: RowPlace): void {
  const { channels } = shape;
  const step = flip ? -channels : channels;
  for (let channel = 0; channel < channels; channel++) {
    const table = tables[channel]!;
    let from = read + channel;
    let to = write + channel;
    for (let column = 0; column < columns; column++) {
      images[to] = table[pixels[from]!]!;
      from += channels;
      to += step;
    }
  }
}
