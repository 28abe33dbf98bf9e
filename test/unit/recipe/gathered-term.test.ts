/** `batch: gathered` in a term: where it is refused, in words; and where a batch that students divide then needs no warning. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinTerms } from '../../../src/losses/stage-loss.js';
import { dividedRelations } from '../../../src/recipe/divided-relation.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';
import { LossCheck } from '../../../src/recipe/loss-check.js';
import { workSizes } from '../../../src/recipe/work-size.js';
import { RECIPE_HEAD } from '../../support/recipe-head.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gathered term '));
});
afterAll(() => rm(folder, { recursive: true }));

const RELATION = 'loss: similarity, taps: [[conv2, pool2]], batch: gathered';

/** A recipe whose last stage has this term. */
async function load(stage: string, term: string) {
  const file = join(folder, 'recipe.yaml');
  const training = 'on: few, test: test, epochs: 3, batch: { global: 64 }, optimizer: { name: sgd, rate: 0.003 }';
  await writeFile(
    file,
    `${RECIPE_HEAD}stages:
  teacher: { kind: train, model: large, ${training} }
  student: { ${stage}, teacher: teacher, ${training}, loss: { terms: [${term}] } }
workers: { students: 4, teachers: 1 }
`,
  );
  return loadRecipe(file);
}

const DISTIL = 'kind: distil, model: small';
const WHERE = 'stages\\.student\\.loss\\.terms\\[0\\]';

test.each([
  [
    'a loss of each image',
    `${DISTIL}, every: 1`,
    'loss: hinton, batch: gathered',
    `${WHERE}\\.batch: the loss hinton is of each image by itself`,
  ],
  [
    'a loss with a memory',
    `${DISTIL}, every: 1`,
    'loss: crd, taps: [[conv2, pool2]], negatives: 100, batch: gathered',
    `${WHERE}\\.batch: the loss crd is of each image by itself, so that it is the same in any batch; leave batch out`,
  ],
  [
    'rounds of several steps',
    `${DISTIL}, every: 2`,
    RELATION,
    `${WHERE}: the loss similarity is over the gathered batch, .* and every is 2; give the stage every: 1`,
  ],
  ['rounds of as many steps as by default', DISTIL, RELATION, `${WHERE}: .* every is 8 where it is left out; give the stage every: 1`],
  [
    'a mutual stage',
    'kind: mutual, every: 1, peers: { a: { model: small }, b: { model: small } }, replicas: 2',
    `${RELATION}, from: teacher`,
    `${WHERE}: the loss similarity is over the gathered batch, which a mutual stage does not gather: .* leave batch out`,
  ],
  ['another word', `${DISTIL}, every: 1`, RELATION.replace('gathered', 'all'), `${WHERE}\\.batch must be .*gathered`],
])('refused: %s', async (_, stage, term, message) => {
  await expect(load(stage, `{ ${term} }`)).rejects.toThrow(new RegExp(message));
});

test('a module may not have a number of this name', async () => {
  await writeFile(
    join(folder, 'own.mjs'),
    "export const declaration = { over: 'batch', knobs: { batch: { default: 1 } } }; export function sum() {}",
  );
  await expect(load(`${DISTIL}, every: 1`, '{ module: own.mjs }')).rejects.toThrow(/batch.*every term has .*batch already/s);
});

test("the gradient by the images is not gathered: refused where the term's needs are known", () => {
  const plan = { key: 'own', weight: 1, knobs: {}, settings: { taps: [], weights: [], constants: {} } };
  const needs = { student: [{ of: 'input-gradient' as const }], other: [], adapters: [] };
  const method = { sum: () => expect.unreachable() };
  const join = () => joinTerms({ weight: 1, smoothing: 0 }, [{ plan, from: 'teacher', needs, method, isGathered: true }]);
  expect(join).toThrow(/the term own takes the student's gradient by the images, which is not gathered\. Leave batch: gathered out/);
});

test('students that gather a divided batch get no warning; a relation of their own beside it does', async () => {
  const warningsOf = async (terms: string) => {
    const recipe = await load(`${DISTIL}, every: 1`, terms);
    return dividedRelations(await new LossCheck().termsOverBatch(recipe), workSizes(recipe, { few: 500, test: 1000 }));
  };
  expect(await warningsOf(`{ ${RELATION} }`)).toEqual([]);
  const [warning] = await warningsOf(`{ ${RELATION} }, { loss: pkt, taps: [[conv2, pool2]] }`);
  expect(warning).toMatch(/^student: the loss pkt compares .* with every: 1, batch: gathered in the term compares all$/);
});
