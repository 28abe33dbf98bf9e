import { expect, test } from 'vitest';
import { checkValues } from '../../../src/config/cross-check.js';
import { parseRecipe } from '../../../src/config/load.js';
import { recipeSchema } from '../../../src/config/schema.js';

const recipeWith = (normalise: object, schedule: object): object => ({
  name: 'values',
  data: { format: 'idx', path: '/d', normalise: { mean: [0], std: [1], ...normalise }, splits: { all: { part: 'test' } } },
  models: { small: { name: 'cnn-student' } },
  stages: {
    s: { kind: 'train', on: 'all', test: 'all', epochs: 9, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 }, schedule },
  },
});

const CONSTANT = { name: 'constant' };

test.each([
  ['none', {}, CONSTANT, []],
  [
    'means of bytes',
    { mean: [125.3, 0.5] },
    CONSTANT,
    [/^data\.normalise\.mean must be from 0 to 1, .*: give \[0\.4914, 0\.002\], or what/],
  ],
  ['deviation of bytes', { std: [63] }, CONSTANT, [/^data\.normalise\.std must be .*: give \[0\.2471\], or what `stillhouse data verify`/]],
  ['a mean below 0', { mean: [-1] }, CONSTANT, [/^data\.normalise\.mean must be .*; give what `stillhouse data verify` prints$/]],
  ['falling milestones', {}, { name: 'step', epochs: [7, 3] }, [/^stages\.s\.schedule\.epochs must rise: give \[3, 7\]$/]],
  ['a milestone twice', {}, { name: 'step', epochs: [3, 3] }, [/^stages\.s\.schedule\.epochs must rise: give \[3\]$/]],
])('%s', (_what, normalise, schedule, expected) => {
  const problems = checkValues(recipeSchema.parse(recipeWith(normalise, schedule)));
  expect(problems.map(({ text }) => text)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});

test.each(['sgd', 'adam'])('a learning rate beyond reason (%s)', (name) => {
  const recipe = JSON.stringify(recipeWith({}, CONSTANT)).replace('{"name":"sgd","rate":0.1}', JSON.stringify({ name, rate: 1e30 }));
  expect(() => parseRecipe(recipe)).toThrow('stages.s.optimizer.rate must be at most 100, not 1e+30');
});
