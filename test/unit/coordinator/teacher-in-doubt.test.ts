/** A teacher that is no better than guessing, in the words of the user's recipe. */

import { expect, test } from 'vitest';
import { adviceOnTeacher, doubtOfTeacher } from '../../../coordinator/core/teaching.js';
import type { RunState } from '../../../coordinator/core/turn.js';
import type { Recipe } from '../../../src/config/schema.js';

const stages = {
  'student-teacher': { kind: 'load', needs: [], from: { run: '/runs/demo-1', stage: 'big', epoch: 'best' }, test: 'test' },
  base: { kind: 'train', test: 'test', model: 'small' },
} as unknown as Recipe['stages'];
const recipe = { stages, models: {} } as unknown as Recipe;

const doubtOf = (stage: string) => {
  const last = { peer: 'model', accuracy: 0.1 };
  const plan = { recipe, guesses: { test: { share: 0.1, most: 0.12 } } } as unknown as RunState['plan'];
  return doubtOfTeacher(
    { plan, done: [{ stage, tests: [{ last, best: last }] }] as unknown as RunState['done'] },
    { stage, peer: 'model' },
  );
};

test('a model from outside is named by its source, and another one can be given', () => {
  expect(doubtOf('student-teacher')).toMatch(/^its teacher, the model demo-1:big \(best\), is no better than guessing \(10\.0 % right/);
  expect(adviceOnTeacher(recipe, { stage: 'student-teacher', peer: 'model' })).toBe(
    'Give another model and begin a new run; or go on all the same with --force',
  );
});

test('a stage of the recipe can be mended', () => {
  expect(doubtOf('base')).toMatch(/^its teacher base is no better/);
  expect(adviceOnTeacher(recipe, { stage: 'base', peer: 'model' })).toMatch(/^Mend that stage and begin a new run; or go on/);
});
