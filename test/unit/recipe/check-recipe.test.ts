/** The faults of a loss that show only with the models at hand: layers that are tapped, and terms that cannot be computed. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { checkRecipe } from '../../../src/recipe/check-recipe.js';
import { RECIPE_HEAD } from '../../support/recipe-head.js';

const TERM_LINE = 15;
const recipeWith = (term: string) => `${RECIPE_HEAD}stages:
  teacher: { kind: train, model: large, on: few, test: test, epochs: 3, batch: 64, optimizer: { name: adam, rate: 0.003 } }
  student:
    { kind: distil, teacher: teacher, model: small, on: few, test: test, epochs: 3, batch: 64, optimizer: { name: adam, rate: 0.003 },
    loss: {
      terms: [
        { loss: hinton },
        ${term}
      ] } }
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tried recipe '));
});
afterAll(() => rm(folder, { recursive: true }));

async function check(term: string): Promise<void> {
  const file = join(folder, 'recipe.yaml');
  await writeFile(file, recipeWith(term));
  await checkRecipe(file);
}

async function failure(term: string): Promise<StillhouseError> {
  return check(term).then(
    () => {
      throw new Error('the recipe was accepted');
    },
    (error: unknown) => {
      if (!(error instanceof StillhouseError)) throw error;
      return error;
    },
  );
}

let modules = 0;
/** A module of its own each time: Node imports a file once. */
async function moduleWith(body: string): Promise<string> {
  const name = `loss-${modules++}.mjs`;
  await writeFile(
    join(folder, name),
    `export const declaration = {};\nexport function sum({ student: [own], other: [teacher] }, knobs, { core: tf }) { ${body} }\n`,
  );
  return name;
}

describe('a term that the models allow', () => {
  test.each([
    '{ loss: dkd }',
    '{ loss: attention-transfer, taps: [[conv1, pool1], [conv2, conv2]] }',
    '{ loss: crd, taps: [[flatten, hidden]], negatives: 499 }',
  ])('%s', async (term) => {
    await check(term);
  });

  test("a user's module", async () => {
    await check(`{ module: ${await moduleWith('return { sum: tf.sum(tf.squaredDifference(own, teacher)), count: own.shape[0] };')} }`);
  });
});

test("the modules of the losses' README are right, as the terms beside them name them", async () => {
  const text = await readFile(join(packageFolder, 'src/losses/README.md'), 'utf8');
  const terms = [...text.matchAll(/`(\{ module: \.\/(.*?),.*?\})`/g)];
  const codes = [...text.matchAll(/```js\n(.*?)```/gs)];
  expect(terms.map(([, , name]) => name)).toEqual(['my-loss.mjs', 'maps.mjs']);
  expect(codes).toHaveLength(terms.length);
  for (const [i, [, term = '', name = '']] of terms.entries()) {
    await writeFile(join(folder, name), codes[i]?.[1] ?? '');
    await check(term);
  }
});

describe('layers that are frozen', () => {
  const rest = 'model: small, on: few, test: test, epochs: 3';
  const freezing = async (freeze: string) => {
    const file = join(folder, 'recipe.yaml');
    const text = recipeWith('{ loss: dkd }').replace(rest, `${rest}, freeze: ${freeze}`);
    expect(text).toContain('freeze');
    await writeFile(file, text);
    return checkRecipe(file);
  };

  test('are the layers of the model, and the others learn', async () => {
    await freezing('{ through: conv1 }');
  });

  test.each([
    ['{ through: conv3 }', /stages\.student\.freeze\.through: the model has no layer "conv3"; did you mean "conv1"\?/],
    ['{ after: logits }', /stages\.student\.freeze\.after: no layer after "logits" has weights that train/],
    ['{ through: conv1, after: conv1 }', /stages\.student\.freeze: give either through or after, and the name of a layer/],
  ])('%s is refused', async (freeze, message) => {
    await expect(freezing(freeze)).rejects.toThrow(message);
  });
});

describe('a term that they do not allow is named with its line', () => {
  test.each([
    [
      'layer of the student',
      '[[conv3, pool1]]',
      /terms\[1\]\.taps\[0\]\[0\]: the model has no layer "conv3"; did you mean "conv1"\? Its layers, with the shapes of their outputs: /,
    ],
    [
      'layer of the teacher',
      '[[conv1, pool1], [conv1, pol1]]',
      /terms\[1\]\.taps\[1\]\[1\]: the model has no layer "pol1"; did you mean "pool1"\?/,
    ],
    ['layer without a map', '[[conv1, hidden]]', /terms\[1\]: the loss takes feature maps, and the layer "hidden" puts out \[64\]/],
  ])('%s', async (_, taps, message) => {
    const error = await failure(`{ loss: attention-transfer, taps: ${taps} }`);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('stages.student.loss.terms[1]');
    expect(error.details).toMatchObject({ file: join(folder, 'recipe.yaml'), line: TERM_LINE });
  });

  test.each([
    [
      'layer of a flow of the teacher',
      '[[[conv1, conv2], [pool1, pol2]]]',
      /terms\[1\]\.flows\[0\]\[1\]\[1\]: the model has no layer "pol2"; did you mean "pool2"\?/,
    ],
    [
      'layer of a flow without a map',
      '[[[conv1, logits], [pool1, pool2]]]',
      /terms\[1\]: the loss takes feature maps, and the layer "logits" puts out \[10\]/,
    ],
    [
      'flow of other channels',
      '[[[conv1, conv2], [pool1, pool2]]]',
      /terms\[1\]: .* the student's flow has "conv1" \[\d+, \d+, \d+\] to "conv2" .*, but the teacher's "pool1"/,
    ],
  ])('%s', async (_, flows, message) => {
    const error = await failure(`{ loss: fsp, flows: ${flows} }`);
    expect(error.message).toMatch(message);
    expect(error.details).toMatchObject({ file: join(folder, 'recipe.yaml'), line: TERM_LINE });
  });

  test('more draws than there are other samples, with both numbers', async () => {
    const error = await failure('{ loss: crd, taps: [[flatten, hidden]], negatives: 500 }');
    expect(error.code).toBe('loss.invalid');
    expect(error.message).toMatch(
      /terms\[1\]: each sample is contrasted with 500 others, and the split few has 500\. Set negatives to 499 at most/,
    );
    expect(error.details).toMatchObject({ file: join(folder, 'recipe.yaml'), line: TERM_LINE });
  });

  test("a user's module of flows", async () => {
    const file = `flow-${modules++}.mjs`;
    const declaration = 'export const declaration = { takesFlows: true };';
    await writeFile(
      join(folder, file),
      `${declaration}\nexport function sum({ student: [own] }, knobs, { core: tf }) { return { sum: tf.sum(own), count: own.shape[0] }; }\n`,
    );
    await check(`{ module: ${file}, flows: [[[conv1, conv2], [pool1, pool2]]] }`);
  });

  test.each([
    ['that throws', 'throw new Error("no luck");', /terms\[1\]: \S.*loss-\d+\.mjs:\d+:\d+: sum failed: no luck\. inputs/],
    ['that adds what does not fit', 'return { sum: tf.sum(tf.add(own, tf.ones([3]))), count: 2 };', /sum failed: /],
    ['that returns the mean of each sample', 'return { sum: tf.mean(own, 1), count: 2 };', /a tensor of shape \[2\] and type float32/],
    [
      'that reads the tensors back',
      'return { sum: tf.scalar(own.dataSync()[0]), count: 2 };',
      /terms\[1\]: the gradient of the loss cannot be computed: .*connection.* Compute the sum from inputs\.student/,
    ],
    [
      'whose operations have no gradient',
      'return { sum: tf.sum(tf.cumprod(own, 1)), count: 2 };',
      /terms\[1\]: the gradient of the loss cannot be computed: .*Cumprod/,
    ],
  ])("a user's module %s", async (_, body, message) => {
    const error = await failure(`{ module: ${await moduleWith(body)} }`);
    expect(error.code).toBe('loss.invalid');
    expect(error.message).toMatch(message);
    expect(error.message).toContain('stages.student.loss.terms[1]: ');
    expect(error.message).not.toMatch(/[.?!]{2}( |$)/);
    expect(error.details).toMatchObject({ file: join(folder, 'recipe.yaml'), line: TERM_LINE });
  });
});
