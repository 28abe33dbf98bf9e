/** A batch that students divide, and losses that compare its images. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dividedRelations } from '../../../src/recipe/divided-relation.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';
import { LossCheck } from '../../../src/recipe/loss-check.js';
import { workSizes } from '../../../src/recipe/work-size.js';
import { RECIPE_HEAD } from '../../support/recipe-head.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'divided relation '));
});
afterAll(() => rm(folder, { recursive: true }));

/** The warnings for a recipe whose second stage has these terms. */
async function warningsOf({ batch, students, terms }: { batch: string; students: number; terms: string }): Promise<readonly string[]> {
  const file = join(folder, 'recipe.yaml');
  const stage = `on: few, test: test, epochs: 3, batch: ${batch}, optimizer: { name: sgd, rate: 0.003 }`;
  await writeFile(
    file,
    `${RECIPE_HEAD}stages:
  teacher: { kind: train, model: large, ${stage} }
  student: { kind: distil, teacher: teacher, model: small, ${stage}, loss: { terms: [${terms}] } }
workers: { students: ${students}, teachers: 1 }
`,
  );
  const recipe = await loadRecipe(file);
  return dividedRelations(await new LossCheck().termsOverBatch(recipe), workSizes(recipe, { few: 500, test: 1000 }));
}

const RELATION = '{ loss: similarity, taps: [[conv2, pool2]] }';

test('a loss over the batch, with a batch that students divide: a warning with the stage, the loss and the share of each', async () => {
  expect(await warningsOf({ batch: '{ global: 64 }', students: 3, terms: `{ loss: hinton }, ${RELATION}, ${RELATION}` })).toEqual([
    'student: the loss similarity compares the images of a batch, and each of 3 students compares its own 22 of 64 alone, ' +
      'so the model learns otherwise than with one student; with every: 1, batch: gathered in the term compares all',
  ]);
});

test("a module's loss that declares it so, too", async () => {
  const module = join(folder, 'own.mjs');
  await writeFile(module, "export const declaration = { over: 'batch' }; export function sum() {}");
  const [warning] = await warningsOf({ batch: '{ global: 64 }', students: 2, terms: `${RELATION}, { module: own.mjs }` });
  expect(warning).toMatch(/^student: the losses similarity, .*own\.mjs compare the images of a batch, and each of 2 students/);
});

test('a module that declares another scope is refused', async () => {
  await writeFile(join(folder, 'odd.mjs'), "export const declaration = { over: 'epoch' }; export function sum() {}");
  await expect(warningsOf({ batch: '64', students: 1, terms: '{ module: odd.mjs }' })).rejects.toThrow(/declaration\.over must be/);
});

test.each([
  ['one student', { batch: '{ global: 64 }', students: 1, terms: RELATION }],
  ['a batch of each student', { batch: '64', students: 3, terms: RELATION }],
  ['a loss of each image', { batch: '{ global: 64 }', students: 3, terms: '{ loss: hinton }' }],
])('no warning: %s', async (_, recipe) => {
  expect(await warningsOf(recipe)).toEqual([]);
});
