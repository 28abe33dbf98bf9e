/**
 * The image of a sample as bytes of the store's shape, before it is moved, flipped and normalised: as it lies in memory, or read, decoded and
 * resized; the whole of it, or the part that the view draws at random. A pure function of store, view and sample, as long as files do not change.
 */

import type { AugmentRecipe } from '../config/schema.js';
import { readSample } from './coded-source.js';
import { readFetched } from './feed/fetched-image.js';
import { middleOf, randomPartOf } from './image/crop.js';
import { ImageDecoder } from './image/decode.js';
import { type PixelBytes, type Resizing, resample } from './image/resample.js';
import type { RgbImage } from './image/rgb-image.js';
import type { ResidentStore, SampleStore } from './sample-source.js';

/** An image of [H, W, C] bytes from byte `from` of `pixels` on. */
export interface BaseImage {
  readonly pixels: Uint8Array;
  readonly from: number;
}

/** The part of a view that decides it (BatchView of batch.ts). */
interface Drawn {
  readonly seed: number;
  readonly epoch: number;
  readonly augment: AugmentRecipe | null;
}

/** One for each thread. It takes memory with the first image. */
const decoder = new ImageDecoder();

/**
 * Gives the images of samples, each of which is only lent until the next one is asked for. Throws data.damaged and data.missing about a file. `onDecoded`
 * sees each image that is decoded for it.
 */
export function baseImagesOf(
  store: SampleStore,
  { seed, epoch, augment }: Drawn,
  onDecoded?: (sample: number, image: RgbImage) => void,
): (sample: number) => BaseImage {
  const crop = augment?.resizedCrop;
  const size = { height: store.height, width: store.width };
  const out = new Uint8Array(store.kind === 'resident' && crop === undefined ? 0 : bytesOf(store));
  const partOf = (image: PixelBytes, sample: number): Resizing | null =>
    crop === undefined ? null : { of: randomPartOf(image, crop, { seed, epoch, sample }), size, piece: { top: 0, left: 0, ...size } };
  const draw = (image: PixelBytes, resizing: Resizing): BaseImage => {
    resample(image, resizing, out);
    return { pixels: out, from: 0 };
  };
  if (store.kind === 'resident') {
    return (sample) => {
      const image = residentImage(store, sample);
      const part = partOf(image, sample);
      return part === null ? image : draw(image, part);
    };
  }
  return (sample) => {
    const decoded = store.kind === 'coded' ? readSample(store, sample, decoder) : readFetched(store, sample, decoder);
    onDecoded?.(sample, decoded);
    const image = { ...decoded, from: 0, channels: store.channels };
    return draw(image, partOf(image, sample) ?? middleOf(image, { resize: store.resize, size: store.height }));
  };
}

function bytesOf({ height, width, channels }: SampleStore): number {
  return height * width * channels;
}

function residentImage(store: ResidentStore, sample: number): PixelBytes {
  const { pixels, height, width, channels } = store;
  return { pixels, from: sample * bytesOf(store), height, width, channels };
}
