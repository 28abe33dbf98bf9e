/** Views with changed colours: the same in any batch, another one in each epoch, and within the recipe's ranges. */

import { describe, expect, test } from 'vitest';
import type { AugmentRecipe } from '../../../src/config/schema.js';
import { assembleBatch } from '../../../src/data/batch.js';
import { recolouring } from '../../../src/data/recolour.js';
import { residentSource } from '../../../src/data/resident-source.js';
import { randomBytes } from '../../support/data-files.js';

const [SIDE, COUNT] = [8, 12];
const SIZE = SIDE * SIDE * 3;
const pixels = randomBytes(COUNT * SIZE, 31);
const labels = new Int32Array(COUNT);
const { store } = residentSource(
  { count: COUNT, height: SIDE, width: SIDE, channels: 3, classes: 2, pixels, labels },
  { name: 'few', from: 0, to: COUNT },
);
const PLAIN = { cropPadding: 0, flip: false };
const JITTER = { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };

/** The bytes of the samples' views. */
function bytesOf(augment: Partial<AugmentRecipe>, samples: readonly number[], epoch = 2): readonly number[] {
  const out = { images: new Float32Array(samples.length * SIZE), labels: new Int32Array(samples.length) };
  const normalise = { mean: [0, 0, 0], std: [1, 1, 1] };
  assembleBatch({ store, view: { seed: 3, epoch, augment: { ...PLAIN, ...augment }, normalise }, samples, out });
  return Array.from(out.images, (value) => Math.round(255 * value));
}

describe.each([
  ['colorJitter', { colorJitter: JITTER }],
  ['randAugment', { randAugment: { operations: 2, magnitude: 9 } }],
  ['both', { colorJitter: JITTER, randAugment: { operations: 1, magnitude: 30 } }],
])('%s', (_, augment) => {
  const samples = Array.from({ length: COUNT }, (_, i) => i);

  test('the batch has the images that the change makes, and the data set stays as it is', () => {
    const before = pixels.slice();
    const change = recolouring({ seed: 3, epoch: 2, augment: { ...PLAIN, ...augment } })!;
    const expected = samples.flatMap((sample) => {
      const own = { pixels: pixels.slice(sample * SIZE, (sample + 1) * SIZE), height: SIDE, width: SIDE, channels: 3 };
      change(own, sample);
      return [...own.pixels];
    });
    expect(bytesOf(augment, samples)).toEqual(expected);
    expect(pixels).toEqual(before);
  });

  test('a view is the same in any batch, and another one in each epoch', () => {
    const whole = bytesOf(augment, samples);
    expect(bytesOf(augment, [7])).toEqual(whole.slice(7 * SIZE, 8 * SIZE));
    expect(bytesOf(augment, samples, 3)).not.toEqual(whole);
    expect(whole).not.toEqual(bytesOf({}, samples));
  });
});

test('a brightness within its range: grey 100 becomes 60 to 140, as often above as below', () => {
  const change = recolouring({ seed: 1, epoch: 0, augment: { ...PLAIN, colorJitter: { ...JITTER, contrast: 0, saturation: 0, hue: 0 } } })!;
  const seen = Array.from({ length: 2000 }, (_, sample) => {
    const one = { pixels: Uint8Array.of(100, 100, 100), height: 1, width: 1, channels: 3 };
    change(one, sample);
    return one.pixels[0]!;
  });
  expect([Math.min(...seen), Math.max(...seen)]).toEqual([60, 139]);
  expect(seen.reduce((sum, value) => sum + value, 0) / seen.length).toBeCloseTo(99.5, -0.5);
});

test('no change where the recipe asks for none, nor in tests of the model', () => {
  expect(recolouring({ seed: 1, epoch: 0, augment: PLAIN })).toBeNull();
  expect(recolouring({ seed: 1, epoch: 0, augment: null })).toBeNull();
});

test('the draws of a sample do not change', () => {
  const sums = [{ colorJitter: JITTER }, { randAugment: { operations: 2, magnitude: 9 } }].map((augment) =>
    [0, 1, 2].map((sample) => bytesOf(augment, [sample]).reduce((sum, value) => sum + value, 0)),
  );
  expect(sums).toMatchInlineSnapshot(`
    [
      [
        26385,
        28137,
        27931,
      ],
      [
        12022,
        22058,
        20486,
      ],
    ]
  `);
});
