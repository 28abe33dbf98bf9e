import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { padBatch } from '../../../src/trace/pad-batch.js';
import { sizeClass } from '../../../src/trace/size-class.js';

test.each([
  [1, 1],
  [7, 7],
  [15, 15],
  [16, 16],
  [17, 18],
  [31, 32],
  [32, 32],
  [33, 36],
  [40, 40],
  [65, 72],
  [128, 128],
  [129, 144],
  [256, 256],
])('%d rows run as %d', (rows, padded) => {
  expect(sizeClass(rows)).toBe(padded);
});

test('no row is lost, at most an eighth is added, and there are eight classes from one power of two to the next', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (rows) => {
      const padded = sizeClass(rows);
      expect(padded).toBeGreaterThanOrEqual(rows);
      expect(padded).toBeLessThan(rows * 1.125 + 1);
      expect(sizeClass(padded)).toBe(padded);
    }),
  );
  expect(new Set(Array.from({ length: 256 }, (_, i) => sizeClass(257 + i))).size).toBe(8);
});

test('a padded batch has rows of zeros behind its own; a full one is the array itself', () => {
  const images = Float32Array.of(1, 2, 3, 4, 5, 6);
  expect(padBatch(images, 2, 3)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 0, 0, 0));
  expect(padBatch(images, 2, 2)).toBe(images);
});
