import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWork } from '../../../src/cli/tell-work.js';
import { parseRecipe } from '../../../src/config/load.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { checkRecipe } from '../../../src/recipe/check-recipe.js';
import { largeSteps } from '../../../src/recipe/large-step.js';
import { seldomAverages, workSizes, workWarnings } from '../../../src/recipe/work-size.js';

const training = { on: 'all', test: 'all', epochs: 2, batch: 16, every: 8, model: 'net', optimizer: { name: 'sgd', rate: 0.1 } };

function recipeWith(students: number | undefined, batch: number | { global: number } = 16) {
  return parseRecipe(
    JSON.stringify({
      name: 'sizes',
      data: { format: 'idx', path: '/d', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'train' } } },
      models: { net: { name: 'cnn-student' } },
      stages: {
        base: { kind: 'train', ...training, batch },
        pair: { kind: 'mutual', ...training, batch, peers: { a: {}, b: {} }, replicas: 2 },
        last: { kind: 'evaluate', of: 'base', test: 'all' },
      },
      workers: students === undefined ? {} : { students },
    }),
  );
}

const sizesWith = (students: number | undefined, images = 200, batch: number | { global: number } = 16) =>
  workSizes(recipeWith(students, batch), { all: images });

test('images a step, steps and averages an epoch', () => {
  expect(sizesWith(undefined)).toEqual([
    {
      stage: 'base',
      columns: 4,
      imagesPerStep: 64,
      stepsPerEpoch: 4,
      averagesPerEpoch: 1,
      epochs: 2,
      isGlobal: false,
      spare: 0,
      bytesFromTeacher: {},
      bytesFromStudents: 0,
    },
    {
      stage: 'pair',
      columns: 2,
      imagesPerStep: 32,
      stepsPerEpoch: 7,
      averagesPerEpoch: 1,
      epochs: 2,
      isGlobal: false,
      spare: 0,
      bytesFromTeacher: {},
      bytesFromStudents: 0,
    },
  ]);
  expect(sizesWith(8, 60_000).map(({ columns, averagesPerEpoch }) => [columns, averagesPerEpoch])).toEqual([
    [8, 59],
    [2, 235],
  ]);
});

test('students that average seldom are warned of; one student averages with nobody', () => {
  expect(seldomAverages(sizesWith(4))).toEqual([
    expect.stringMatching(/^base: 4 students average once in an epoch of 4 steps/),
    expect.stringMatching(/^pair: 2 students average once in an epoch of 7 steps/),
  ]);
  expect(seldomAverages(sizesWith(4, 60_000))).toEqual([]);
  const size = {
    stage: 's',
    imagesPerStep: 16,
    stepsPerEpoch: 1,
    epochs: 1,
    isGlobal: false,
    spare: 0,
    bytesFromTeacher: {},
    bytesFromStudents: 0,
  };
  expect(seldomAverages([{ ...size, columns: 1, averagesPerEpoch: 0 }])).toEqual([]);
  const few = { ...size, columns: 2, averagesPerEpoch: 1, stepsPerEpoch: 2 };
  expect(seldomAverages([{ ...few, epochs: 29 }])).toHaveLength(1);
  expect(seldomAverages([{ ...few, epochs: 30 }])).toEqual([]);
  expect(seldomAverages([{ ...few, averagesPerEpoch: 2 }]), 'after each step').toEqual([]);
});

test('with a global batch, images a step and steps an epoch do not depend on the number of students', () => {
  for (const [students, averagesPerEpoch] of [
    [4, 1],
    [5, 1],
    [7, 1],
  ] as const) {
    const [base] = sizesWith(students, 200, { global: 32 });
    expect(base).toMatchObject({ columns: students, imagesPerStep: 32, stepsPerEpoch: 7, averagesPerEpoch, isGlobal: true, spare: 0 });
  }
});

test('students that have no image in a step of a global batch are warned of', () => {
  const sizes = sizesWith(6, 200, { global: 4 });
  expect(sizes[0]).toMatchObject({ columns: 4, imagesPerStep: 4, spare: 2 });
  expect(workWarnings(sizes)).toEqual([expect.stringMatching(/^base: batch has 4 images .*: 2 students have no image/)]);
  expect(workWarnings(sizesWith(4, 200, { global: 4 }))).toEqual([]);
});

test('a step that takes more images than there are is warned of, with what that does', () => {
  const large = (students: number, images: number) => largeSteps(recipeWith(students), { all: images }, sizesWith(students, images));
  expect(large(4, 64)).toEqual([]);
  expect(large(4, 50)).toEqual([
    'base: a step of 4 students takes 64 images, and all has 50: some have fewer or none; give a smaller batch or fewer students',
  ]);
  const alone = [
    {
      stage: 'base',
      columns: 1,
      imagesPerStep: 16,
      stepsPerEpoch: 1,
      averagesPerEpoch: 0,
      epochs: 2,
      isGlobal: false,
      spare: 0,
      bytesFromTeacher: {},
      bytesFromStudents: 0,
    },
  ];
  expect(largeSteps(recipeWith(4), { all: 3 }, alone)).toEqual([
    'base: a step takes 16 images, and all has 3: each step has all of them; give a smaller batch',
  ]);
});

test('the bytes that a step of one student takes from its teacher: of each model, by its own batch and form', () => {
  const taught = { base: [[10]], 'pair.a': [[10]], 'pair.b': [[10], [4, 5]] };
  const bytes = (batch: number | { global: number }) =>
    workSizes(taughtRecipe(batch), { all: 200 }, { taught, gathered: {} }).map(({ bytesFromTeacher }) => bytesFromTeacher);
  expect(bytes(16)).toEqual([{}, { base: 16 * 10 * 2 }, { 'pair.a': 16 * 10 * 4, 'pair.b': 16 * 30 * 4 }]);
  // Four columns of a global batch of 30: the first has 8 of them. Of two columns it has 15.
  expect(bytes({ global: 30 })).toEqual([{}, { base: 8 * 10 * 2 }, { 'pair.a': 15 * 10 * 4, 'pair.b': 15 * 30 * 4 }]);
  expect(workSizes(taughtRecipe(16), { all: 200 }).map(({ bytesFromTeacher }) => bytesFromTeacher)).toEqual([{}, {}, {}]);
});

test('the bytes of similarities grow with the square of the batch', () => {
  const taught = { base: [[10], ['view' as const]] };
  const bytes = (batch: number | { global: number }) => workSizes(taughtRecipe(batch), { all: 200 }, { taught, gathered: {} })[1];
  expect(bytes(16)?.bytesFromTeacher).toEqual({ base: (16 * 10 + 16 * 16) * 2 });
  expect(bytes({ global: 30 })?.bytesFromTeacher).toEqual({ base: (8 * 10 + 8 * 8) * 2 });
});

test('the bytes of a gathered batch: each student takes those of the images that are not its own', async () => {
  const recipe = taughtRecipe({ global: 30 });
  const bytes = workSizes(recipe, { all: 200 }, { taught: {}, gathered: { base: 10 } }).map(({ bytesFromStudents }) => bytesFromStudents);
  // Four columns: the first has 8 of 30 images.
  expect(bytes).toEqual([0, 22 * 10 * 2, 0]);
  const { work } = await checkRecipe(join(packageFolder, 'deploy/recipes/rkd-gathered.yaml'), { isQuick: true });
  expect(work.map(({ bytesFromStudents }) => bytesFromStudents)).toEqual([0, 32 * (392 + 64) * 4]);
});

function taughtRecipe(batch: number | { global: number }) {
  const { models, data, name } = recipeWith(4);
  const taught = { ...training, batch, teacher: 'first' };
  return parseRecipe(
    JSON.stringify({
      ...{ name, models, data },
      stages: {
        first: { kind: 'train', ...training },
        base: { kind: 'distil', ...taught, wire: 'half', loss: { temperature: 4 } },
        pair: { kind: 'mutual', ...taught, fromTeacher: {}, peers: { a: {}, b: {} }, replicas: 2 },
      },
      workers: { students: 4 },
    }),
  );
}

test.each([
  ['attention-transfer', 'both attention maps', 64 * (14 * 14 + 7 * 7)],
  ['similarity', 'their similarities', 64 * 64],
])('the recipe %s takes the logits and %s of 64 images, also without training steps', async (name, _, numbers) => {
  const { work } = await checkRecipe(join(packageFolder, `deploy/recipes/${name}.yaml`), { isQuick: true });
  expect(work.map(({ bytesFromTeacher }) => bytesFromTeacher)).toEqual([{}, {}, { student: (64 * 10 + numbers) * 4 }]);
});

test.each([
  [{}, 'base: 64 images a step by 4 students together, 7 steps an epoch, 1 average an epoch'],
  [
    { columns: 1, averagesPerEpoch: 0, bytesFromTeacher: { base: 2560 } },
    'base: 64 images a step, 7 steps an epoch, 2.5 KiB a step from the teacher',
  ],
  [{ bytesFromTeacher: { base: 2560 } }, / 1 average an epoch, 2\.5 KiB a step from the teacher to each student$/],
  [{ bytesFromStudents: 58_368 }, / 1 average an epoch, 57\.0 KiB a step from the other students to each$/],
  [{ bytesFromTeacher: { 'base.a': 2560, 'base.b': 2560 } }, /, 2\.5 KiB a step from the teacher to each student$/],
  [{ bytesFromTeacher: { 'base.a': 2560, 'base.b': 100 } }, /, base\.a 2\.5 KiB, base\.b 100 B a step from the teacher to each student$/],
])('the line of a stage of which %j is known', (known, line) => {
  const size = { stage: 'base', columns: 4, imagesPerStep: 64, stepsPerEpoch: 7, averagesPerEpoch: 1, epochs: 2 };
  const text = describeWork({ ...size, isGlobal: false, spare: 0, bytesFromTeacher: {}, bytesFromStudents: 0, ...known });
  if (typeof line === 'string') expect(text).toBe(line);
  else expect(text).toMatch(line);
});
