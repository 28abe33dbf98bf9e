import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleAt } from '../../../src/data/order.js';
import type { Range } from '../../../src/protocol/field.js';
import { planBatches } from '../../../worker/student/batch-plan.js';

const plan = (ranges: readonly Range[], batch = 8) => planBatches({ ranges, size: 20, batch, seed: 3 });
const sizes = (ranges: readonly Range[], batch?: number) => plan(ranges, batch).map(({ epoch, samples }) => [epoch, samples.length]);

test.each([
  { name: 'full steps', ranges: [{ start: 0, end: 16 }], expected: [[0, 8], [0, 8]] }, // biome-ignore format: a row
  { name: 'a smaller last step', ranges: [{ start: 0, end: 11 }], expected: [[0, 8], [0, 3]] }, // biome-ignore format: a row
  { name: 'across ranges', ranges: [{ start: 0, end: 5 }, { start: 9, end: 14 }], expected: [[0, 8], [0, 2]] }, // biome-ignore format: a row
  { name: 'not across epochs', ranges: [{ start: 16, end: 26 }], expected: [[0, 4], [1, 6]] }, // biome-ignore format: a row
  { name: 'nothing', ranges: [], expected: [] },
])('steps: $name', ({ ranges, expected }) => {
  expect(sizes(ranges)).toEqual(expected);
});

test('a step has no sample twice, however large the batch and long the round', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(60), fc.nat(90), (batch, start, length) => {
      for (const { samples } of plan([{ start, end: start + length }], batch)) expect(new Set(samples).size).toBe(samples.length);
    }),
  );
});

test('an epoch is every sample once, whatever the batch', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 25 }), fc.nat({ max: 3 }), (batch, epoch) => {
      const steps = plan([{ start: 20 * epoch, end: 20 * epoch + 20 }], batch);
      const samples = steps.flatMap((step) => [...step.samples]);
      expect([...samples].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect(steps.every((step) => step.epoch === epoch)).toBe(true);
      expect(samples).toEqual(Array.from({ length: 20 }, (_, place) => sampleAt({ seed: 3, epoch, size: 20 }, place)));
    }),
  );
});
