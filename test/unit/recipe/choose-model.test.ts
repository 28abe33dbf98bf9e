import { expect, test } from 'vitest';
import { type Recipe, recipeSchema } from '../../../src/config/schema.js';
import { chooseFinishedModel, chooseModel } from '../../../src/recipe/choose-model.js';

const training = { on: 'all', test: 'all', epochs: 1, batch: 8, model: 'net', optimizer: { name: 'sgd', rate: 0.1 } };
const old = { kind: 'load', from: { file: '/m/model.json' }, test: 'all' };

function recipeOf(stages: object): Recipe {
  const data = { format: 'idx', path: '/d', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'test' } } };
  return recipeSchema.parse({ name: 'r', data, models: { net: { name: 'net' } }, stages });
}

const recipe = recipeOf({
  old,
  s: { kind: 'train', ...training, init: 'old' },
  pair: { kind: 'mutual', ...training, peers: { a: {}, b: {} } },
  seen: { kind: 'evaluate', of: 'pair.a', test: 'all' },
});

test.each<[string | undefined, ReturnType<typeof chooseFinishedModel>]>([
  ['s', { name: { stage: 's', peer: 'model' }, isGiven: false }],
  ['pair.b', { name: { stage: 'pair', peer: 'b' }, isGiven: false }],
  ['old', { name: { stage: 'old', peer: 'model' }, isGiven: true }],
])('a finished model, trained or from outside, is named by its stage: %s', (wanted, chosen) => {
  expect(chooseFinishedModel(recipe, wanted)).toEqual(chosen);
});

test('without a name it is the model of the last stage that trains, or the last one from outside where none trains', () => {
  const alone = recipeOf({ s: { kind: 'train', ...training, init: 'old' }, old });
  expect(chooseFinishedModel(alone, undefined)).toEqual({ name: { stage: 's', peer: 'model' }, isGiven: false });
  const seen = { kind: 'evaluate', of: 'old', test: 'all' };
  expect(chooseFinishedModel(recipeOf({ old, seen }), undefined)).toEqual({ name: { stage: 'old', peer: 'model' }, isGiven: true });
});

test.each<[string, string | undefined, RegExp]>([
  ['several models', undefined, /^the stage pair trains several models; name one: pair\.a, pair\.b$/],
  ['no model of its own', 'seen', /^the stage seen of kind evaluate has no model of its own; that of pair\.a is the one/],
  ['another name', 'odl', /^the recipe has no training stage "odl"; did you mean "old"\?$/],
])('a stage with %s is refused', (_, wanted, message) => {
  expect(() => chooseFinishedModel(recipe, wanted)).toThrow(message);
});

test('where a stage must train, one that takes its model from outside is refused in words', () => {
  expect(() => chooseModel(recipe, 'old')).toThrow('the stage old trains nothing: it takes its model from outside');
  expect(chooseModel(recipe, 's').recipe.model).toBe('net');
});
