/**
 * Parts of images of any size that become images of one size, by torchvision's geometry: the middle, for tests, and a part at random, for training. Pure
 * functions: a random part depends on (seed, epoch, sample) alone, so a teacher and a student that name the same view see the same pixels.
 *
 * A change of the draws changes every run's pixels: golden values in the tests hold them.
 */

import { hashString, Prng } from '../../base/prng.js';
import type { AugmentRecipe } from '../../config/schema.js';
import type { Box, Resizing } from './resample.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** The square of this size in the middle of the image, once its shorter side has the length `resize`, of at least `size` (torchvision's Resize, then CenterCrop). */
export function middleOf({ height, width }: Size, { resize, size }: { readonly resize: number; readonly size: number }): Resizing {
  const resized =
    height <= width
      ? { height: resize, width: Math.trunc((resize * width) / height) }
      : { height: Math.trunc((resize * height) / width), width: resize };
  const [top, left] = [roundHalfEven((resized.height - size) / 2), roundHalfEven((resized.width - size) / 2)];
  return { of: { top: 0, left: 0, height, width }, size: resized, piece: { top, left, height: size, width: size } };
}

export type ResizedCrop = NonNullable<AugmentRecipe['resizedCrop']>;

/** The view and the sample of a random part. */
export interface CropDraw {
  readonly seed: number;
  readonly epoch: number;
  readonly sample: number;
}

const STREAM = hashString('resized-crop');
const TRIES = 10;

/** A random part of the image (torchvision's RandomResizedCrop): ten tries, then the middle with the nearest ratio that is allowed. */
export function randomPartOf({ height, width }: Size, { scale, ratio }: ResizedCrop, { seed, epoch, sample }: CropDraw): Box {
  const draws = new Prng(STREAM, seed, epoch, sample);
  const between = (least: number, most: number) => least + (most - least) * draws.uniform();
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = height * width * between(...scale);
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
    const [w, h] = [roundHalfEven(Math.sqrt(area * aspect)), roundHalfEven(Math.sqrt(area / aspect))];
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const top = draws.below(height - h + 1);
    return { top, left: draws.below(width - w + 1), height: h, width: w };
  }
  const own = width / height;
  const w = own > ratio[1] ? Math.max(1, roundHalfEven(height * ratio[1])) : width;
  const h = own < ratio[0] ? Math.max(1, roundHalfEven(width / ratio[0])) : height;
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}

/** Rounds as Python does: a half goes to the even neighbour. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
