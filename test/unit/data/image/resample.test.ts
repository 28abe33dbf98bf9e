/** Resizing and its geometry, against Pillow and torchvision. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { middleOf, type ResizedCrop, randomPartOf } from '../../../../src/data/image/crop.js';
import { type Box, resample } from '../../../../src/data/image/resample.js';

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const read = (name: string) => JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), 'utf8'));

interface Size {
  readonly height: number;
  readonly width: number;
}

const golden: Size & {
  readonly image: string;
  readonly resized: readonly { readonly of: Box; readonly size: Size; readonly pixels: string }[];
  readonly evaluated: readonly (Size & {
    readonly resize: number;
    readonly size: number;
    readonly image: string;
    readonly pixels: string;
  })[];
} = read('resize');

const image = { pixels: bytesOf(golden.image), from: 0, height: golden.height, width: golden.width, channels: 3 };
const wholeOf = (size: Size): Box => ({ top: 0, left: 0, ...size });

/** The bytes of the resized piece. */
function resized(from: typeof image, resizing: Parameters<typeof resample>[1]): Uint8Array {
  const out = new Uint8Array(resizing.piece.height * resizing.piece.width * from.channels);
  resample(from, resizing, out);
  return out;
}

/** The bits are Pillow's, but for tall images, of which its newest versions resize the columns first. */
function expectPixels(own: Uint8Array, text: string, { height, width }: Size): void {
  const expected = bytesOf(text);
  expect(own.length).toBe(expected.length);
  expect(Math.max(...own.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(height > 2 * width ? 1 : 0);
}

test.each(golden.resized)('$of to $size: the bits of Pillow', ({ of, size, pixels }) => {
  expectPixels(resized(image, { of, size, piece: wholeOf(size) }), pixels, of);
});

test('a piece of the result is that piece of the whole result, whatever lies around the image', () => {
  const around = new Uint8Array(image.pixels.length + 20).fill(255);
  around.set(image.pixels, 7);
  const size = { height: 20, width: 25 };
  const of = { top: 1, left: 2, height: 31, width: 38 };
  const whole = resized(image, { of, size, piece: wholeOf(size) });
  const piece = { top: 3, left: 5, height: 9, width: 11 };
  const cut = Array.from({ length: 9 }, (_, y) => [...whole.subarray(((y + 3) * 25 + 5) * 3, ((y + 3) * 25 + 16) * 3)]);
  expect([...resized({ ...image, pixels: around, from: 7 }, { of, size, piece })]).toEqual(cut.flat());
});

test('each channel is resized by itself', () => {
  const [of, size] = [wholeOf(golden), { height: 11, width: 13 }];
  const all = resized(image, { of, size, piece: wholeOf(size) });
  for (let channel = 0; channel < 3; channel++) {
    const plane = image.pixels.filter((_, i) => i % 3 === channel);
    const alone = resized({ ...image, pixels: plane, channels: 1 }, { of, size, piece: wholeOf(size) });
    expect(alone).toEqual(all.filter((_, i) => i % 3 === channel));
  }
});

test.each(golden.evaluated)('$height x $width, $resize, $size: the middle has the bits of torchvision', (known) => {
  const { height, width, resize, size } = known;
  const from = { ...image, pixels: bytesOf(known.image), height, width };
  expectPixels(resized(from, middleOf({ height, width }, { resize, size })), known.pixels, known);
});

const crops: {
  readonly boxes: readonly (Size &
    ResizedCrop & { readonly seed: number; readonly epoch: number; readonly sample: number; readonly box: Box })[];
} = read('crop');

test.each(crops.boxes)('seed $seed, epoch $epoch, sample $sample of $height x $width: the box of torchvision', (known) => {
  expect(randomPartOf(known, known, known)).toEqual(known.box);
});

test.each([
  [{ height: 1, width: 400 }, [0.1, 0.2], { top: 0, left: 199, height: 1, width: 1 }],
  [{ height: 400, width: 1 }, [5, 10], { top: 199, left: 0, height: 1, width: 1 }],
] as const)('a part of %j with the ratio %j is one pixel at least', (size, ratio, box) => {
  expect(randomPartOf(size, { scale: [1, 1], ratio: [...ratio] }, { seed: 1, epoch: 0, sample: 0 })).toEqual(box);
});

test('random parts lie in the image, have the areas and ratios asked for, and differ from sample to sample', () => {
  const crop: ResizedCrop = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] };
  const boxes = Array.from({ length: 2000 }, (_, sample) => randomPartOf({ height: 375, width: 500 }, crop, { seed: 3, epoch: 1, sample }));
  for (const { top, left, height, width } of boxes) {
    expect(top >= 0 && left >= 0 && top + height <= 375 && left + width <= 500).toBe(true);
    expect((height * width) / (375 * 500)).toBeGreaterThan(0.077);
    expect(width / height).toBeGreaterThan(0.74);
    expect(width / height).toBeLessThan(1.35);
  }
  expect(new Set(boxes.map((box) => JSON.stringify(box))).size).toBeGreaterThan(1990);
  const share = boxes.reduce((sum, { height, width }) => sum + (height * width) / (375 * 500), 0) / boxes.length;
  // Uniform from 0.08 to 1 is 0.54; large parts of a tall ratio do not fit, and are drawn again.
  expect(share).toBeGreaterThan(0.4);
  expect(share).toBeLessThan(0.54);
});
