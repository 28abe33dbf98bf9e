/** Views against a plain reading of their definition, pixel by pixel. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../../src/base/assert.js';
import { placementOf } from '../../../src/data/augment.js';
import { assembleBatch, type BatchView } from '../../../src/data/batch.js';
import { residentSource } from '../../../src/data/resident-source.js';
import type { SampleSource } from '../../../src/data/sample-source.js';
import { randomBytes } from '../../support/data-files.js';
import { residentStoreOf } from '../../support/resident-store.js';

function splitOfShape(height: number, width: number, channels: number, count = 12): SampleSource {
  const pixels = randomBytes(count * height * width * channels, 17);
  const labels = Int32Array.from({ length: count }, (_, i) => (i * 7) % 10);
  return residentSource({ count, height, width, channels, classes: 10, pixels, labels }, { name: 's', from: 0, to: count });
}

const normaliseOf = (channels: number) => ({
  mean: Array.from({ length: channels }, (_, i) => 0.4 + 0.05 * i),
  std: Array.from({ length: channels }, (_, i) => 0.2 + 0.03 * i),
});

const arraysOf = (split: SampleSource, count: number) => ({
  images: new Float32Array(count * split.height * split.width * split.channels),
  labels: new Int32Array(count),
});

/** The view's definition: pad with black, crop, mirror, normalise. */
function plainImage(split: SampleSource, view: BatchView, sample: number): Float32Array {
  const { height, width, channels, pixels } = residentStoreOf(split);
  const { down, right, flip } = view.augment === null ? { down: 0, right: 0, flip: false } : placementOf(view.augment, view, sample);
  const image = new Float32Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const fromY = y + down;
      const fromX = (flip ? width - 1 - x : x) + right;
      const inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
      for (let c = 0; c < channels; c++) {
        const byte = inside ? pixels[((sample * height + fromY) * width + fromX) * channels + c]! : 0;
        image[(y * width + x) * channels + c] = (byte / 255 - view.normalise.mean[c]!) / view.normalise.std[c]!;
      }
    }
  }
  return image;
}

describe('assembling a batch', () => {
  test('gives every sample its view, whatever shape, crop and flip', () => {
    const cases = fc.record({
      height: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 9 }),
      channels: fc.integer({ min: 1, max: 4 }),
      cropPadding: fc.nat(12), // more than a side: some crops are all black
      flip: fc.boolean(),
      seed: fc.nat(2 ** 32 - 1),
      epoch: fc.nat(300),
    });
    fc.assert(
      fc.property(cases, ({ height, width, channels, cropPadding, flip, seed, epoch }) => {
        const split = splitOfShape(height, width, channels);
        const view = { seed, epoch, augment: { cropPadding, flip }, normalise: normaliseOf(channels) };
        const samples = [3, 11, 0, 3, 7];
        const out = arraysOf(split, samples.length);
        out.images.fill(Number.NaN);
        assembleBatch({ store: split.store, view, samples, out });
        expect([...out.images]).toEqual(samples.flatMap((sample) => [...plainImage(split, view, sample)]));
        expect([...out.labels]).toEqual(samples.map((sample) => split.label(sample)));
      }),
    );
  });

  test('the same (seed, epoch, sample) is the same pixels in any batch, at any place', () => {
    const split = splitOfShape(8, 8, 3);
    const view = { seed: 5, epoch: 2, augment: { cropPadding: 2, flip: true }, normalise: normaliseOf(3) };
    const all = arraysOf(split, 12);
    assembleBatch({ store: split.store, view, samples: Int32Array.from({ length: 12 }, (_, i) => 11 - i), out: all });
    for (let sample = 0; sample < 12; sample++) {
      const alone = arraysOf(split, 1);
      assembleBatch({ store: split.store, view, samples: [sample], out: alone });
      expect(alone.images).toEqual(all.images.slice((11 - sample) * 192, (12 - sample) * 192));
    }
  });

  test('another seed, another epoch: other crops', () => {
    const split = splitOfShape(8, 8, 1);
    const view = { seed: 5, epoch: 2, augment: { cropPadding: 3, flip: true }, normalise: normaliseOf(1) };
    const pixels = [view, { ...view, seed: 6 }, { ...view, epoch: 3 }].map((each) => {
      const out = arraysOf(split, 12);
      assembleBatch({ store: split.store, view: each, samples: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], out });
      return out.images.join();
    });
    expect(new Set(pixels).size).toBe(3);
  });

  test('the view for evaluation is the image, normalised, whatever seed and epoch', () => {
    const split = splitOfShape(5, 6, 3);
    const normalise = normaliseOf(3);
    for (const [seed, epoch] of [
      [1, 0],
      [99, 7],
    ] as const) {
      const out = arraysOf(split, 2);
      assembleBatch({ store: split.store, view: { seed, epoch, augment: null, normalise }, samples: [4, 9], out });
      for (let i = 0; i < 90; i++) {
        const c = i % 3;
        expect(out.images[90 + i]).toBe(
          Math.fround((residentStoreOf(split).pixels[9 * 90 + i]! / 255 - normalise.mean[c]!) / normalise.std[c]!),
        );
      }
    }
  });

  test('leaves what is beyond the batch alone', () => {
    const split = splitOfShape(4, 4, 1);
    const out = { images: new Float32Array(100).fill(7), labels: new Int32Array(5).fill(-1) };
    const view = { seed: 1, epoch: 0, augment: { cropPadding: 4, flip: true }, normalise: normaliseOf(1) };
    assembleBatch({ store: split.store, view, samples: [1, 2], out });
    expect([...out.images.subarray(32)].every((value) => value === 7)).toBe(true);
    expect([...out.labels.subarray(2)]).toEqual([-1, -1, -1]);
  });

  test.each([
    ['a sample beyond the split', [12], 12, 1],
    ['a sample below zero', [-1], 12, 1],
    ['too little room for the images', [0, 1], 1, 1],
    ['a mean too many', [0], 12, 2],
  ] as const)('asserts on %s', (_, samples, room, means) => {
    const split = splitOfShape(4, 4, 1);
    const view = { seed: 1, epoch: 0, augment: null, normalise: normaliseOf(means) };
    expect(() => assembleBatch({ store: split.store, view, samples, out: arraysOf(split, room) })).toThrow(InvariantError);
  });
});

describe('augmentation', () => {
  test('crops go evenly over all places, flips are one in two, and neither tells of the other', () => {
    const counts = new Map<string, number>();
    const runs = 25 * 2 * 200;
    for (let i = 0; i < runs; i++) {
      const { down, right, flip } = placementOf({ cropPadding: 2, flip: true }, { seed: 1, epoch: i % 10 }, Math.floor(i / 10));
      const key = `${down},${right},${flip}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(50);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    expect(chiSquare).toBeLessThan(49 + 5 * Math.sqrt(2 * 49)); // 49 degrees of freedom, five standard deviations
  });

  test('without crop and flip nothing moves; without flip the crops are the same as with', () => {
    for (let sample = 0; sample < 100; sample++) {
      const key = { seed: 3, epoch: 1 };
      expect(placementOf({ cropPadding: 0, flip: false }, key, sample)).toEqual({ down: 0, right: 0, flip: false });
      const { down, right } = placementOf({ cropPadding: 4, flip: true }, key, sample);
      expect(placementOf({ cropPadding: 4, flip: false }, key, sample)).toEqual({ down, right, flip: false });
    }
  });

  test('is pinned', () => {
    const placements = [0, 1, 2, 49_999].map((sample) => placementOf({ cropPadding: 4, flip: true }, { seed: 1, epoch: 3 }, sample));
    expect(placements.map(({ down, right, flip }) => [down, right, flip])).toEqual([
      [4, 3, false],
      [3, -4, false],
      [0, 3, true],
      [4, -3, true],
    ]);
  });
});
