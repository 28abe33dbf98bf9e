/**
 * Affine changes of an image: each pixel is the nearest one at its place in the source, and black where that is outside. The arithmetic is
 * Pillow's (Image.transform and Image.rotate with `nearest`), in steps of 1/65536 of a pixel.
 */

import type { Bitmap } from './enhance.js';

/** Result pixel (x, y) shows the source at (a x + b y + c, d x + e y + f). */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Moves the content to the right by `share` of each row's number. */
export function shearX(share: number): Affine {
  return [1, share, 0, 0, 1, 0];
}

/** Moves the content down by `share` of each column's number. */
export function shearY(share: number): Affine {
  return [1, 0, 0, share, 1, 0];
}

/** Moves the content to the right and down, by whole pixels. */
export function translation(right: number, down: number): Affine {
  return [1, 0, -right, 0, 1, -down];
}

/** Turns the content around the middle, counter-clockwise. */
export function rotation({ height, width }: Pick<Bitmap, 'height' | 'width'>, degrees: number): Affine {
  const angle = (-degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [width / 2, height / 2];
  return [cos, sin, -cos * x - sin * y + x, -sin, cos, sin * x - cos * y + y];
}

const fixed = (value: number): number => Math.floor(value * 65536 + 0.5);

/** Changes the image in place. */
export function transform({ pixels, height, width, channels }: Bitmap, [a, b, c, d, e, f]: Affine): void {
  const source = pixels.slice();
  const [stepX, stepY] = [fixed(a), fixed(d)];
  let [rowX, rowY] = [fixed(c + a / 2 + b / 2), fixed(f + d / 2 + e / 2)];
  let to = 0;
  for (let row = 0; row < height; row++) {
    let [x, y] = [rowX, rowY];
    for (let column = 0; column < width; column++) {
      const [fromX, fromY] = [x >> 16, y >> 16];
      const isInside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      const from = (fromY * width + fromX) * channels;
      for (let channel = 0; channel < channels; channel++) pixels[to++] = isInside ? source[from + channel]! : 0;
      x += stepX;
      y += stepY;
    }
    rowX += fixed(b);
    rowY += fixed(e);
  }
}
