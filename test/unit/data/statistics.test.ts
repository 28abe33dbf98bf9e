import { expect, test } from 'vitest';
import { countClasses, imageDigests, statisticsOf } from '../../../src/data/statistics.js';

/** Three images of 1x2 with two channels. */
const images = {
  count: 3,
  height: 1,
  width: 2,
  channels: 2,
  classes: 4,
  pixels: Uint8Array.from([0, 255, 255, 255, 0, 255, 255, 255, 0, 255, 0, 255]),
  labels: Int32Array.from([3, 3, 1]),
};

test('classes are counted; mean and deviation are those of each channel, for pixels from 0 to 1', () => {
  const { mean, std } = statisticsOf(images);
  expect(countClasses(images.labels, images.classes)).toEqual([0, 1, 0, 2]);
  // The first channel is 0, 1, 0, 1, 0, 0: its mean is 1/3, its variance 1/3 - 1/9.
  expect(mean[0]).toBeCloseTo(1 / 3, 12);
  expect(std[0]).toBeCloseTo(Math.sqrt(2 / 9), 12);
  expect(mean[1]).toBe(1);
  expect(std[1]).toBe(0);
});

test('digests are equal where all pixels are', () => {
  const [a, b, c] = imageDigests(images);
  expect(a).toBe(b);
  expect(c).not.toBe(a);
});
