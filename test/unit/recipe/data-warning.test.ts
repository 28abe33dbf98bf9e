import { expect, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import type { DataContent } from '../../../src/data/dataset.js';
import { classWarnings, overlapWarnings } from '../../../src/recipe/data-warning.js';

const common = { test: 'test', epochs: 3, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };
const recipe = parseRecipe(
  JSON.stringify({
    name: 'warned',
    data: {
      format: 'idx',
      path: '/d',
      normalise: { mean: [0], std: [1] },
      splits: { all: { part: 'train' }, few: { part: 'train', to: 10 }, test: { part: 'test' }, unused: { part: 'test', to: 1 } },
    },
    models: { small: { name: 'cnn-student' } },
    stages: {
      base: { kind: 'train', on: 'all', ...common },
      s: { kind: 'distil', on: 'few', teacher: 'base', loss: {}, ...common },
      again: { kind: 'evaluate', of: 's', test: 'few' },
    },
  }),
);

function dataWith(
  counts: Readonly<Record<string, readonly number[]>>,
  shared: readonly (readonly [string, string, number])[] = [],
): DataContent {
  const splits = ['all', 'few', 'test', 'unused'].map((name) => {
    const classCounts = counts[name] ?? [5, 5];
    return { name, samples: classCounts.reduce((sum, count) => sum + count, 0), fingerprint: name, classCounts };
  });
  return { splits, shared: shared.map(([a, b, count]) => ({ splits: [a, b], count })) };
}

test('classes without an image: named where they are few, and only in splits that are used', () => {
  expect(classWarnings(recipe, dataWith({}), null)).toEqual([]);
  expect(classWarnings(recipe, dataWith({ unused: [1, 0] }), null)).toEqual([]);
  expect(classWarnings(recipe, dataWith({ few: [1, 0, 2, 0] }), null)).toEqual(['data.splits.few: 2 of 4 classes have no image: 1, 3']);
  expect(classWarnings(recipe, dataWith({ few: [1, 0, 2, 0] }), ['eel', 'cat', 'dog', 'cow'])).toEqual([
    'data.splits.few: 2 of 4 classes have no image: 1 (cat), 3 (cow)',
  ]);
  const many = [1, 1, ...new Array<number>(98).fill(0)];
  expect(classWarnings(recipe, dataWith({ test: many }), null)).toEqual(['data.splits.test: 98 of 100 classes have no image']);
  expect(classWarnings(recipe, dataWith({ few: [0, 9] }), null)).toEqual([expect.stringContaining('all 9 images are of class 1')]);
});

test('tests on images that the model or its teachers learned from, over the chain', () => {
  expect(overlapWarnings(recipe, dataWith({}), {})).toEqual([expect.stringContaining('again: s was trained on all 10 test images (few)')]);
  const shared = [
    ['all', 'test', 3],
    ['all', 'few', 10],
  ] as const;
  expect(overlapWarnings(recipe, dataWith({}, shared), {})).toEqual([
    expect.stringContaining('base: it was trained on 3 of the 10 test images (test)'),
    expect.stringContaining('s: base was trained on 3 of the 10 test images (test)'),
    expect.stringContaining('again: s was trained on all 10'),
    expect.stringContaining('again: base was trained on all 10'),
  ]);
});

test('a model from another run that was trained on the test images, and one that begins with it', () => {
  const { stages, ...rest } = recipe;
  const from = { run: '/runs/x', epoch: 'last' as const };
  const load = { kind: 'load' as const, needs: [], from, test: 'test' };
  const tuned = { kind: 'train' as const, ...common, on: 'few', init: 'given' };
  const taken = parseRecipe(JSON.stringify({ ...rest, stages: { given: load, tuned } }));
  const split = { run: 'x-1', fingerprint: null, format: 'idx', labels: 'fine', part: 'train', from: 0, to: null, paths: [] };
  const trainedOn = (...counts: readonly number[]) => ({
    given: counts.map((test, i) => ({ ...split, stage: `s${i}`, common: { test } })),
  });
  expect(overlapWarnings(taken, dataWith({}), trainedOn(0, 0))).toEqual([]);
  expect(overlapWarnings(taken, dataWith({}), trainedOn(3))).toEqual([
    expect.stringContaining('given: it was trained on 3 of the 10 test images (test)'),
    expect.stringContaining('tuned: given was trained on 3 of the 10 test images (test)'),
  ]);
  expect(overlapWarnings(taken, dataWith({}), trainedOn(0, 10))).toEqual([
    expect.stringContaining('given: s1 of the run x-1 was trained on all 10 test images (test)'),
    expect.stringContaining('tuned: s1 of the run x-1 was trained on all 10 test images (test)'),
  ]);
});
