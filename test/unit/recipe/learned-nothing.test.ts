import { expect, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { learnedNothing } from '../../../src/recipe/learned-nothing.js';

const training = { on: 'all', epochs: 2, batch: 16, model: 'net', optimizer: { name: 'sgd', rate: 0.1 } };
const recipe = parseRecipe(
  JSON.stringify({
    name: 'nothing',
    data: {
      format: 'idx',
      path: '/d',
      normalise: { mean: [0], std: [1] },
      splits: { all: { part: 'train' }, even: { part: 'test' }, skewed: { part: 'test' } },
    },
    models: { net: { name: 'cnn-student' } },
    stages: {
      base: { kind: 'train', ...training, test: 'even' },
      pair: { kind: 'mutual', ...training, test: 'skewed', peers: { a: {}, b: {} } },
      last: { kind: 'evaluate', of: 'pair.a', test: 'even' },
      out: { kind: 'export', of: 'base' },
    },
  }),
);
const facts = { fingerprint: '', mean: [], std: [] };
const splits = [
  { name: 'even', samples: 100, classCounts: new Array<number>(10).fill(10), ...facts },
  { name: 'skewed', samples: 1000, classCounts: [900, 100], ...facts },
];
const warningsOf = (shares: Readonly<Record<string, number>>) =>
  learnedNothing(recipe, { splits }, Object.fromEntries(Object.entries(shares).map(([name, last]) => [name, { last }])));

test.each([
  ['all better than guessing', { base: 0.2, 'pair.a': 0.93, 'pair.b': 0.95, last: 0.5 }, []],
  ['a tenth of ten classes, more or less', { base: 0.18 }, [/^base has learned nothing: 18\.0 % right, and 10\.0 % come from/]],
  ['the most frequent class every time', { 'pair.a': 0.9, 'pair.b': 0.95 }, [/^pair\.a has learned nothing: 90\.0 % right, and 90\.0 %/]],
  ['a stage that tests another one', { last: 0.1 }, [/^last has learned nothing/]],
  ['no test yet', {}, []],
])('%s', (_what, shares, expected) => {
  expect(warningsOf(shares as Record<string, number>)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});
