import { expect, test } from 'vitest';
import { nearest } from '../../../src/base/nearest.js';

test.each([
  ['trian', ['distil', 'train'], 'train'],
  ['bgi', ['small', 'big'], 'big'],
  ['sdg', ['adam', 'sgd'], 'sgd'],
  ['x', ['sgd'], null],
  ['gib', ['big'], null],
])('%s among %j is %s', (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected);
});
