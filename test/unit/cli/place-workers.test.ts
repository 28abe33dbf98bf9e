import { describe, expect, test } from 'vitest';
import { placeWorkers, shortageOf, shortageOfThreads } from '../../../src/cli/place-workers.js';
import { type Recipe, recipeSchema } from '../../../src/config/schema.js';
import { smallRecipe } from '../../support/small-recipe.js';

function recipeWith(workers: object): Recipe {
  return recipeSchema.parse({ ...smallRecipe(), workers });
}

/** Names and threads, in short. */
function placed(workers: object, cores: number): Record<string, number> {
  return Object.fromEntries(placeWorkers(recipeWith(workers), cores).map(({ name, placement }) => [name, placement.threads]));
}

describe('threads of the workers of a machine', () => {
  test.each<[string, object, number, Record<string, number>]>([
    ['two students on two cores take one each', { students: 2, teachers: 1 }, 2, { 'student-1': 1, 'student-2': 1, 'teacher-1': 1 }],
    ['all cores are used', { students: 1, teachers: 1 }, 8, { 'student-1': 4, 'teacher-1': 4 }],
    ['what is left over goes to teachers first', { students: 2, teachers: 1 }, 4, { 'student-1': 1, 'student-2': 1, 'teacher-1': 2 }],
    ['and then to students', { students: 2, teachers: 1 }, 8, { 'student-1': 3, 'student-2': 2, 'teacher-1': 3 }],
    ['a number is for each worker', { students: 2, teachers: 1, threads: 3 }, 4, { 'student-1': 3, 'student-2': 3, 'teacher-1': 3 }],
    [
      'one that has its own number leaves the others the rest',
      { students: [{ threads: 5 }, {}], teachers: [{}] },
      8,
      { 'student-1': 5, 'student-2': 1, 'teacher-1': 2 },
    ],
    [
      'auto is said of one worker too',
      { students: [{ threads: 'auto' }], teachers: [{}], threads: 2 },
      8,
      { 'student-1': 6, 'teacher-1': 2 },
    ],
    [
      'numbers that take all leave one',
      { students: [{ threads: 8 }, {}], teachers: 1 },
      4,
      { 'student-1': 8, 'student-2': 1, 'teacher-1': 1 },
    ],
  ])('%s', (_, workers, cores, threads) => {
    expect(placed(workers, cores)).toEqual(threads);
  });

  test('no teacher is started where nobody is taught', () => {
    const recipe = recipeWith({ students: 2, teachers: 1 });
    const { student: _taught, ...stages } = recipe.stages;
    expect(placeWorkers({ ...recipe, stages }, 2).map(({ name }) => name)).toEqual(['student-1', 'student-2']);
  });

  test('numbers beyond the cores are warned of, shares are not', () => {
    const shortage = (workers: object, cores: number) => shortageOf(placeWorkers(recipeWith(workers), cores), cores);
    expect(shortage({ students: 2, teachers: 1, threads: 2 }, 4)).toMatch(/6 threads together, and this machine has 4 cores/);
    expect(shortage({ students: 2, teachers: 1, threads: 2 }, 6)).toBeNull();
    expect(shortage({ students: 4, teachers: 1 }, 2)).toBeNull();
  });

  test('so are those of one worker', () => {
    expect(shortageOfThreads(3, 2)).toMatch(/^--threads 3 is more than the 2 cores/);
    expect(shortageOfThreads(2, 2)).toBeNull();
  });
});
