import { expect, test } from 'vitest';
import { seedsOf } from '../../../../src/cli/table/seed-option.js';

test.each([
  ['1', [1]],
  ['3', [1, 2, 3]],
  ['3,5,8', [3, 5, 8]],
  ['6, 7', [6, 7]],
  ['6,', [6]],
  ['0,4294967295', [0, 4294967295]],
])('%j', (text, seeds) => {
  expect(seedsOf(text)).toEqual(seeds);
});

test.each(['', '0', '101', '-1', '2.5', 'five', ',', '3,,', '3,3', '3,x', '1,4294967296', Array.from({ length: 101 }, (_, i) => i).join()])(
  '%j is refused',
  (text) => {
    expect(() => seedsOf(text)).toThrow(/--seeds .*: give a number of seeds from 1 to 100, or different seeds with commas/);
  },
);
