import { expect, test } from 'vitest';
import { ringRows } from '../../../worker/kit/shared-loader.js';

const bytesOf = (size: number, channels = 3) => 4 * size * size * channels;

test.each([
  ['sixteen batches where they are small', 8, bytesOf(28, 1), 16 * 8],
  ['as many as 8 MiB have room for', 128, bytesOf(32), 682],
  ['four batches', 256, bytesOf(32), 4 * 256],
  ['four batches of 224 x 224, still below 256 MiB', 64, bytesOf(224), 4 * 64],
  ['as many as 256 MiB have room for', 128, bytesOf(224), 445],
  ['two batches, whatever their size', 256, bytesOf(224), 2 * 256],
])('the ring holds %s', (_, rowsMax, imageBytes, rows) => {
  expect(ringRows(rowsMax, imageBytes)).toBe(rows);
});
