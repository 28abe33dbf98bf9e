/** A stage that gets more epochs: which of its schedules have another course, and how its rate jumps. */

import { expect, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { stretchedSchedules } from '../../../src/recipe/stretched-schedule.js';

const common = { on: 'all', test: 'all', epochs: 6, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };

function recipeWith(more: object): ReturnType<typeof parseRecipe> {
  return parseRecipe(
    JSON.stringify({
      name: 'longer',
      data: { format: 'idx', path: 'builtin:fashion-mnist', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'test' } } },
      models: { small: { name: 'cnn-student' } },
      stages: { base: { kind: 'train', ...common }, s: { kind: 'distil', teacher: 'base', ...common, loss: { temperature: 4 }, ...more } },
    }),
  );
}

test('a cosine that had come to its end goes up again', () => {
  expect(stretchedSchedules(recipeWith({ schedule: { name: 'cosine' } }), 's', 3)).toEqual([
    's: the cosine of the learning rate is over 6 epochs now, and was over 3: after epoch 3 the rate is 0.05, and was 0',
  ]);
});

test('a weight of the loss that changes over the stage', () => {
  const alpha = { schedule: 'linear', from: 0.9, to: 0.5 };
  expect(stretchedSchedules(recipeWith({ loss: { temperature: 4, alpha } }), 's', 3)).toEqual([
    'stages.s.loss.alpha is over 6 epochs now, and was over 3',
  ]);
});

test('what does not depend on the number of epochs', () => {
  const alpha = { schedule: 'linear', from: 0.9, to: 0.5, epochs: 2 };
  const more = { schedule: { name: 'step', epochs: [2, 4] }, loss: { temperature: { schedule: 'constant', from: 3, to: 4 }, alpha } };
  expect(stretchedSchedules(recipeWith(more), 's', 3)).toEqual([]);
});
