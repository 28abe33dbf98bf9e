import { describe, expect, test } from 'vitest';
import { largestFit, nextBatch, roundDown, type TriedBatch } from '../../../worker/kit/batch-search.js';

const MIB = 2 ** 20;

interface Machine {
  readonly failed: number;
  /** The largest batch that really fits. */
  readonly truth: number;
  /** The memory and its use by `size` images; null where it cannot be measured. */
  readonly memory: { readonly limitBytes: number; readonly peakOf: (size: number) => number } | null;
}

/** Searches on a machine on which exactly the batches up to `truth` fit. */
function search({ failed, truth, memory }: Machine): readonly TriedBatch[] {
  const tried: TriedBatch[] = [];
  const next = () => nextBatch({ failed, limitBytes: memory?.limitBytes ?? null, tried });
  for (let size = next(); size !== null; size = next()) {
    const fits = size <= truth;
    tried.push({ size, fits, peakBytes: fits && memory !== null ? memory.peakOf(size) : null });
  }
  return tried;
}

describe('with measured memory', () => {
  /** A step of ResNet-56 on images of 12x12, as measured: 7 MiB and 1.03 MiB an image. */
  const resnet = (size: number) => 7 * MIB + size * 1.026 * MIB;

  test('one large batch is tried where memory is used up to the limit', () => {
    const tried = search({ failed: 4096, truth: 3970, memory: { limitBytes: 4080 * MIB, peakOf: resnet } });
    expect(tried.map(({ size }) => size)).toEqual([16, 64, 3584]);
  });

  test.each([3584, 2000, 1500, 700, 65, 64, 63, 16, 3, 1])('%i really fit: the figure fits, and is not far below', (truth) => {
    const tried = search({ failed: 4096, truth, memory: { limitBytes: 4080 * MIB, peakOf: resnet } });
    const found = largestFit(tried);
    expect(found).toBeLessThanOrEqual(truth);
    expect(found).toBeGreaterThan(0.7 * truth);
    expect(tried.length).toBeLessThanOrEqual(16);
  });

  test.each([1, 2, 3, 17])('none fits, where %i failed', (failed) => {
    expect(largestFit(search({ failed, truth: 0, memory: { limitBytes: MIB, peakOf: resnet } }))).toBe(0);
  });

  test('a step that takes the same memory for any batch proves nothing: the next smaller batch is tried', () => {
    const tried = search({ failed: 64, truth: 63, memory: { limitBytes: 100 * MIB, peakOf: () => 50 * MIB } });
    expect(largestFit(tried)).toBe(60);
  });
});

describe('without', () => {
  test.each([
    { failed: 4096, truth: 3000, sizes: [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072] },
    { failed: 20, truth: 19, sizes: [1, 2, 4, 8, 16] },
    { failed: 1, truth: 0, sizes: [] },
  ])('sizes rise until one does not fit, below $failed', ({ failed, truth, sizes }) => {
    const tried = search({ failed, truth, memory: null });
    expect(tried.map(({ size }) => size)).toEqual(sizes);
    expect(largestFit(tried)).toBe(Math.max(0, ...sizes.filter((size) => size <= truth)));
  });
});

test.each([
  [3970, 3840],
  [16, 16],
  [17, 16],
  [15, 15],
  [1, 1],
])('%i becomes %i', (size, rounded) => {
  expect(roundDown(size)).toBe(rounded);
});
