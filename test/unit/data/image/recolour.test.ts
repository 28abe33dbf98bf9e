/** Changes of colours and geometry, against Pillow and torchvision. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Bitmap, brightness, contrast, saturation, sharpness, turnHue } from '../../../../src/data/image/enhance.js';
import { applyOperation, RAND_OPERATIONS, type RandChange } from '../../../../src/data/recolour.js';

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const golden: {
  readonly height: number;
  readonly width: number;
  readonly rgb: string;
  readonly grey: string;
  readonly operations: Readonly<Record<'rgb' | 'grey', readonly (RandChange & { readonly pixels: string })[]>>;
  readonly enhanced: readonly { readonly name: keyof typeof ENHANCEMENTS; readonly factor: number; readonly pixels: string }[];
  readonly hues: readonly { readonly turn: number; readonly pixels: string }[];
} = JSON.parse(readFileSync(new URL('golden/recolour.json', import.meta.url), 'utf8'));
const ENHANCEMENTS = { brightness, contrast, saturation, sharpness };

function imageOf(kind: 'rgb' | 'grey'): Bitmap {
  return { pixels: bytesOf(golden[kind]), height: golden.height, width: golden.width, channels: kind === 'rgb' ? 3 : 1 };
}

/** The image after the change. */
function changed(kind: 'rgb' | 'grey', change: (image: Bitmap) => void): Uint8Array {
  const image = imageOf(kind);
  change(image);
  return image.pixels;
}

describe.each(['rgb', 'grey'] as const)('RandAugment, %s', (kind) => {
  test.each(golden.operations[kind])('$name, magnitude $magnitude, sign $sign: the bits of torchvision', ({ pixels, ...change }) => {
    expect(changed(kind, (image) => applyOperation(image, change))).toEqual(bytesOf(pixels));
  });

  test('has all operations', () => {
    expect(new Set(golden.operations[kind].map(({ name }) => name))).toEqual(new Set(RAND_OPERATIONS));
  });
});

test.each(golden.enhanced)('$name by $factor: the bits of Pillow', ({ name, factor, pixels }) => {
  expect(changed('rgb', (image) => ENHANCEMENTS[name](image, factor))).toEqual(bytesOf(pixels));
});

test.each(golden.hues)('a hue turned by $turn: the bits of Pillow', ({ turn, pixels }) => {
  expect(changed('rgb', (image) => turnHue(image, turn))).toEqual(bytesOf(pixels));
});
