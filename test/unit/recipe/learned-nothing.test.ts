import { expect, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { tellingGuesses } from '../../../src/recipe/guess.js';
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
      hints: { kind: 'train', ...training, test: 'even', freeze: { after: 'conv1' } },
      maps: {
        ...{ kind: 'distil', teacher: 'base', ...training, test: 'even' },
        loss: { labels: { weight: 0 }, terms: [{ loss: 'fitnets', taps: [['conv1', 'conv1']] }] },
      },
      answers: {
        ...{ kind: 'distil', teacher: 'base', ...training, test: 'even' },
        loss: {
          labels: { weight: 0 },
          terms: [
            { loss: 'fitnets', taps: [['conv1', 'conv1']] },
            { loss: 'hinton', weight: 2 },
          ],
        },
      },
      out: { kind: 'export', of: 'base' },
    },
  }),
);
const facts = { fingerprint: '', mean: [], std: [] };
const splits = [
  { name: 'even', samples: 100, classCounts: new Array<number>(10).fill(10), ...facts },
  { name: 'skewed', samples: 1000, classCounts: [900, 100], ...facts },
];
const resultsOf = (shares: Readonly<Record<string, number>>) => ({
  accuracy: Object.fromEntries(Object.entries(shares).map(([name, last]) => [name, { last, best: last, epoch: 1 }])),
  testLoss: {},
  calibration: {},
  training: {},
});
const warningsOf = (shares: Readonly<Record<string, number>>) => learnedNothing(recipe, { splits }, resultsOf(shares));

test.each([
  ['all better than guessing', { base: 0.2, 'pair.a': 0.93, 'pair.b': 0.95, last: 0.5 }, []],
  ['a tenth of ten classes, more or less', { base: 0.18 }, [/^base has learned nothing: 18\.0 % right, and 10\.0 % come from/]],
  ['the most frequent class every time', { 'pair.a': 0.9, 'pair.b': 0.95 }, [/^pair\.a has learned nothing: 90\.0 % right, and 90\.0 %/]],
  ['a stage that tests another one', { last: 0.1 }, [/^last has learned nothing/]],
  ['a stage whose last layers are frozen, which is not to classify', { hints: 0.1 }, []],
  ['a stage of hints between layers alone, which is not to classify', { maps: 0.1 }, []],
  ["a stage that learns from its teacher's answers, without labels", { answers: 0.1 }, [/^answers has learned nothing/]],
  ['no test yet', {}, []],
])('%s', (_what, shares, expected) => {
  expect(warningsOf(shares as Record<string, number>)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});

test.each([
  [
    'down to guessing',
    { last: 0.12, best: 0.6, epoch: 4 },
    1,
    /^base has diverged: 12\.0 % right after the last epoch, and 60\.0 % after epoch 4; 10\.0 %/,
  ],
  [
    'by more than half of it',
    { last: 0.3, best: 0.6, epoch: 4 },
    1,
    /^base has got much worse: 30\.0 % right after the last epoch, and 60\.0 %/,
  ],
  ['by a little', { last: 0.5, best: 0.6, epoch: 4 }, 1, null],
  ['by luck, where little was learned', { last: 0.2, best: 0.35, epoch: 4 }, 1, null],
  [
    'not, but it is sure of wrong answers',
    { last: 0.5, best: 0.5, epoch: 4 },
    2.4,
    /^base is too sure of wrong answers: its test loss is 2\.400, and 2\.303/,
  ],
])('a model that falls %s', (_what, accuracy, loss, expected) => {
  const warnings = learnedNothing(recipe, { splits }, { accuracy: { base: accuracy }, testLoss: { base: loss } });
  expect(warnings).toEqual(expected === null ? [] : [expect.stringMatching(expected)]);
});

test('a split is large enough to tell when luck does not reach twice the accuracy of guessing, or half of the way to everything', () => {
  const even = (classes: number, samples: number) => ({
    ...facts,
    samples,
    classCounts: new Array<number>(classes).fill(samples / classes),
  });
  const sizes = {
    ten: even(10, 100),
    few: even(10, 50),
    two: even(2, 40),
    pair: even(2, 30),
    many: even(100, 1000),
    scarce: even(100, 500),
  };
  const splitsOf = Object.entries(sizes).map(([name, split]) => ({ name, ...split }));
  expect(Object.keys(tellingGuesses({ splits: splitsOf }))).toEqual(['ten', 'two', 'many']);
  expect(tellingGuesses({ splits: splitsOf }).ten).toEqual({ share: 0.1, most: expect.closeTo(0.19, 6) });
});
