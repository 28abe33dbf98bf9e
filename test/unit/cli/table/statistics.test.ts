import { expect, test } from 'vitest';
import { medianOf, pairedMargin, spreadOf } from '../../../../src/cli/table/statistics.js';

test.each([
  [[3], { mean: 3, deviation: null }],
  [[2, 4], { mean: 3, deviation: Math.SQRT2 }],
  [[1, 2, 3, 4, 5], { mean: 3, deviation: Math.sqrt(2.5) }],
])('the spread of %j', (values, spread) => {
  expect(spreadOf(values)).toEqual(spread);
});

// The limits are those of tables of Student's t: for 5 values 2.776, so that a deviation of 1 needs a mean of 1.2415.
const around = (mean: number) => [-1, -1, 0, 1, 1].map((z) => mean + z);
test.each([
  ['one seed', [80], [77], { mean: 3, positive: 1, seeds: 1, verdict: null }],
  ['beyond the limit', around(1.25), [0, 0, 0, 0, 0], { positive: 5, seeds: 5, verdict: 'gain' }],
  ['within the limit', around(1.23), [0, 0, 0, 0, 0], { positive: 5, seeds: 5, verdict: 'noise' }],
  ['beyond the limit, downwards', [0, 0, 0, 0, 0], around(1.25), { positive: 0, seeds: 5, verdict: 'drop' }],
  ['two seeds with a large gain each', [82, 79], [77, 77], { positive: 2, seeds: 2, verdict: 'noise' }],
  ['two seeds with nearly the same gain', [80, 80.1], [77, 77], { positive: 2, seeds: 2, verdict: 'gain' }],
  ['the same gain of all seeds', [80, 81, 82], [77, 78, 79], { mean: 3, deviation: 0, positive: 3, verdict: 'gain' }],
  ['no difference', [80, 81, 82], [80, 81, 82], { mean: 0, deviation: 0, positive: 0, verdict: 'noise' }],
  ['a difference of rounding', [0.1 + 0.2, 0.1 + 0.2], [0.3, 0.3], { positive: 0, verdict: 'noise' }],
  [
    'forty seeds',
    Array.from({ length: 40 }, (_, i) => 0.35 + (i % 2 === 0 ? 1 : -1)),
    Array.from({ length: 40 }, () => 0),
    { verdict: 'gain' },
  ],
])('the margin of %s', (_, values, reference, margin) => {
  expect(pairedMargin(values, reference)).toMatchObject(margin);
});

test.each([
  [[], null],
  [[7], 7],
  [[9, 1, 4], 4],
  [[9, 1, 4, 6], 5],
])('the median of %j', (values, median) => {
  expect(medianOf(values)).toBe(median);
});
