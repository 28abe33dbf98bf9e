/** Terms of losses in a recipe: what is wrong is named with its place, and what is right is completed. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainRecipe } from '../../../src/config/explain.js';
import { parseRecipe, recipeJson } from '../../../src/config/load.js';
import type { Recipe } from '../../../src/config/schema.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { readDeclaration } from '../../../src/recipe/declaration/read-declaration.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';
import { RECIPE_HEAD } from '../../support/recipe-head.js';

const STUDENT_LINE = 13;
const recipeWith = (student: string, teacher = '{}') => `${RECIPE_HEAD}stages:
  teacher: { kind: train, model: large, on: few, test: test, epochs: 3, batch: 64, optimizer: { name: adam, rate: 0.003 },
    loss: ${teacher} }
  student: { kind: distil, teacher: teacher, model: small, on: few, test: test, epochs: 3, batch: 64,
    optimizer: { name: adam, rate: 0.003 },
    loss: ${student} }
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipe terms '));
  await mkdir(join(folder, 'losses'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(text: string, set: readonly string[] = []): Promise<Recipe> {
  const file = join(folder, 'recipe.yaml');
  await writeFile(file, text);
  return loadRecipe(file, { set });
}

/** The message without the folder. */
async function failure(text: string, set: readonly string[] = []): Promise<string> {
  try {
    await load(text, set);
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    expect(error.code).toBe('recipe.invalid');
    return error.message.replaceAll(`${folder}/`, '');
  }
  throw new Error('the recipe was accepted');
}

/** A module with this text, and the term that names it. */
async function moduleWith(text: string, rest = ''): Promise<string> {
  await writeFile(join(folder, 'losses/own.mjs'), text);
  return `{ terms: [{ module: losses/own.mjs${rest} }] }`;
}

const taps = 'taps: [[conv1, conv1], [conv2, conv2]]';
const lossOf = (recipe: Recipe, stage = 'student'): unknown => (recipe.stages[stage] as { loss: unknown }).loss;

describe('a loss with terms', () => {
  test('gets every default of its terms', async () => {
    const recipe = await load(
      recipeWith(`{ terms: [{ loss: dkd }, { loss: attention-transfer, ${taps} }, { loss: hinton, weight: 0.5 }] }`),
    );
    expect(lossOf(recipe)).toEqual({
      labels: { weight: 1, smoothing: 0 },
      terms: [
        { loss: 'dkd', weight: { schedule: 'linear', from: 0, to: 1, epochs: 20 }, alpha: 1, beta: 8, temperature: 4 },
        {
          loss: 'attention-transfer',
          weight: 1000,
          taps: [
            ['conv1', 'conv1'],
            ['conv2', 'conv2'],
          ],
          weights: [1, 1],
          p: 2,
        },
        { loss: 'hinton', weight: 0.5, temperature: 4 },
      ],
    });
  });

  test('loads again as it was explained, and survives the way to a worker', async () => {
    const loss = `{ labels: { weight: { schedule: cosine, from: 1, to: 0.1, epochs: 2 } }, terms: [{ loss: dkd, beta: { schedule: linear, from: 8, to: 2 } }, { loss: attention-transfer, ${taps}, weights: [1, 2] }] }`;
    const recipe = await load(recipeWith(loss, '{ labels: { smoothing: 0.1 }, terms: [] }'));
    expect(await load(explainRecipe(recipe))).toEqual(recipe);
    expect(parseRecipe(recipeJson(recipe))).toEqual(recipe);
  });

  test('has its short form as it was', async () => {
    const recipe = await load(
      recipeWith('{ temperature: 3, alpha: { schedule: linear, from: 1, to: 0.5, epochs: 2 } }', '{ labelSmoothing: 0.1 }'),
    );
    expect(lossOf(recipe)).toEqual({ temperature: 3, alpha: { schedule: 'linear', from: 1, to: 0.5, epochs: 2 }, labelSmoothing: 0 });
    expect(lossOf(recipe, 'teacher')).toEqual({ labelSmoothing: 0.1 });
  });

  test('may be changed by the command line', async () => {
    const text = recipeWith('{ terms: [{ loss: hinton, temperature: 4 }] }');
    const recipe = await load(text, ['stages.student.loss.terms.0.temperature=2', 'stages.student.loss.labels.weight=0.5']);
    expect(lossOf(recipe)).toEqual({ labels: { weight: 0.5, smoothing: 0 }, terms: [{ loss: 'hinton', weight: 0.9, temperature: 2 }] });
    const message = await failure(text, ['stages.student.loss.terms.0.temprature=2']);
    expect(message).toMatch(
      /^--set stages\.student\.loss\.terms\.0\.temprature=2: unknown key "temprature" .*did you mean "temperature"\?/,
    );
  });
});

describe('a term that cannot be', () => {
  const where = 'stages\\.student\\.loss\\.terms\\[0\\]';
  const terms: readonly (readonly [string, string, string])[] = [
    ['loss that is not there', '{ loss: hintn }', `${where}\\.loss: there is no loss "hintn" in the package; did you mean "hinton"\\?`],
    ['name of an inherited property', '{ loss: toString }', 'no loss "toString"'],
    ['neither loss nor module', '{ weight: 1 }', `${where}: give either loss or module`],
    ['both', '{ loss: hinton, module: a.mjs }', `${where}: give either loss or module`],
    ['a word', 'hinton', `${where} must be a map, not "hinton"`],
    ['unknown key', '{ loss: hinton, temprature: 4 }', `unknown key "temprature" in ${where}; did you mean "temperature"\\?`],
    ['unknown key of the wrong kind', `{ loss: attention-transfer, tapps: [], ${taps} }`, 'unknown key "tapps" .* did you mean "taps"\\?'],
    ['key that another loss has', '{ loss: hinton, beta: 4 }', 'unknown key "beta" .*; there is: loss, module, from, weight, temperature'],
    ['knob out of range', '{ loss: hinton, temperature: 0 }', `${where}\\.temperature must be more than 0, not 0`],
    [
      'start of a schedule',
      '{ loss: dkd, beta: { schedule: linear, from: -1, to: 8 } }',
      `${where}\\.beta\\.from must be at least 0, not -1`,
    ],
    [
      'end of a schedule',
      '{ loss: hinton, temperature: { schedule: cosine, from: 4, to: 0 } }',
      `${where}\\.temperature\\.to must be more than 0, not 0`,
    ],
    [
      'epochs of a schedule',
      '{ loss: dkd, alpha: { schedule: linear, from: 0, to: 1, epochs: 0 } }',
      'alpha\\.epochs must be more than 0, not 0',
    ],
    [
      'name of a schedule',
      '{ loss: hinton, temperature: { schedule: lineer, from: 4, to: 1 } }',
      'temperature\\.schedule must be one of .* did you mean "linear"\\?',
    ],
    ['knob that is text', '{ loss: hinton, temperature: hot }', `${where}\\.temperature must be a number or a map, not "hot"`],
    ['constant out of range', `{ loss: attention-transfer, p: 0.5, ${taps} }`, `${where}\\.p must be at least 1, not 0\\.5`],
    [
      'constant with a schedule',
      `{ loss: attention-transfer, p: { schedule: linear, from: 1, to: 2 }, ${taps} }`,
      `${where}\\.p must be a number, not a map`,
    ],
    ['no taps', '{ loss: attention-transfer }', `${where} needs the key "taps"`],
    ['empty taps', '{ loss: attention-transfer, taps: [] }', `${where}\\.taps must have at least 1 entry, not 0`],
    ['taps that are no pairs', '{ loss: attention-transfer, taps: [conv1] }', `${where}\\.taps\\[0\\] must be a list, not "conv1"`],
    ['half a pair', '{ loss: attention-transfer, taps: [[conv1]] }', `${where}\\.taps\\[0\\] must have at least 2 entries, not 1`],
    ['taps of a loss that takes none', '{ loss: hinton, taps: [[conv1, conv1]] }', `${where}\\.taps: the loss hinton takes no taps`],
    [
      'number of weights',
      `{ loss: attention-transfer, weights: [1, 2, 3], ${taps} }`,
      `${where}\\.weights: one for each pair of taps is needed, so 2 and not 3`,
    ],
    ['weight of a pair below 0', `{ loss: attention-transfer, weights: [1, -2], ${taps} }`, 'weights\\[1\\] must be at least 0, not -2'],
    ['weight below 0', '{ loss: hinton, weight: -1 }', `${where}\\.weight must be at least 0, not -1`],
    [
      'end of a weight below 0',
      '{ loss: hinton, weight: { schedule: linear, from: 1, to: -1 } }',
      `${where}\\.weight\\.to must be at least 0, not -1`,
    ],
  ];
  test.each(terms)('%s', async (_, term, message) => {
    const found = await failure(recipeWith(`{ terms: [${term}] }`));
    expect(found).toMatch(new RegExp(`^recipe\\.yaml:${STUDENT_LINE}:\\d+: .*${message}`));
    expect(found.split('\n'), found).toHaveLength(1);
  });

  test('in a stage that has no teacher', async () => {
    const found = await failure(recipeWith('{}', '{ terms: [{ loss: hinton }] }'));
    expect(found).toMatch(
      /^recipe\.yaml:10:\d+: stages\.teacher\.loss\.terms\[0\]: the loss hinton learns from a teacher, and a train stage has none/,
    );
  });

  test('is named with every other problem, each with its line', async () => {
    const text = recipeWith('{ terms: [{ loss: hinton, temprature: 4, weight: -1 }, { loss: dkkd }] }').replace(
      'batch: 64,\n',
      'batch: 0,\n',
    );
    const lines = (await failure(text)).split('\n').map((line) => line.replace(/:\d+: .*?(batch|weight|temprature|dkkd).*/, ' $1'));
    expect(lines.sort()).toEqual(['recipe.yaml:11 batch', 'recipe.yaml:13 dkkd', 'recipe.yaml:13 temprature', 'recipe.yaml:13 weight']);
  });
});

describe('a loss section of two forms', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'both forms',
      '{ temperature: 4, terms: [] }',
      /loss has "temperature" and "terms", which do not go together: give either temperature, alpha, labelSmoothing; or labels, terms/,
    ],
    ['both forms, the long one nearer', '{ alpha: 1, labels: {}, terms: [] }', /loss has "labels" and "alpha", which do not go together/],
    ['slip in the short form', '{ temprature: 4 }', /unknown key "temprature" in stages\.student\.loss; did you mean "temperature"\?/],
    ['slip in the long form', '{ term: [] }', /unknown key "term" in stages\.student\.loss; did you mean "terms"\?/],
    ['slip beside a right key', '{ lables: { weight: 1 }, terms: [{ loss: hinton }] }', /unknown key "lables" .* did you mean "labels"\?/],
    [
      'slip in the labels',
      '{ labels: { wieght: 1 }, terms: [{ loss: hinton }] }',
      /unknown key "wieght" in stages\.student\.loss\.labels; did you mean "weight"\?/,
    ],
    ['no terms', '{ labels: { weight: 1 } }', /stages\.student\.loss needs the key "terms"/],
    ['a number', '3', /stages\.student\.loss must be a map, not 3/],
    ['terms that are a map', '{ terms: { loss: hinton } }', /loss\.terms must be a list, not a map/],
    ['labels below 0', '{ labels: { weight: -1 }, terms: [{ loss: hinton }] }', /labels\.weight must be at least 0, not -1/],
    [
      'every weight 0',
      '{ labels: { weight: 0 }, terms: [{ loss: hinton, weight: { schedule: linear, from: 0, to: 0 } }] }',
      /loss: every weight is 0, so there is nothing to learn/,
    ],
    [
      'nothing of the teacher',
      '{ terms: [] }',
      new RegExp(`loss: no term learns from the teacher; add one \\(${Object.keys(LOSSES).join(', ')}\\)`),
    ],
  ];
  test.each(cases)('%s', async (_, loss, message) => {
    const found = await failure(recipeWith(loss));
    expect(found).toMatch(message);
    expect(found.split('\n'), found).toHaveLength(1);
  });

  test('a train stage whose labels weigh nothing', async () => {
    expect(await failure(recipeWith('{}', '{ labels: { weight: 0 }, terms: [] }'))).toMatch(/stages\.teacher\.loss: every weight is 0/);
  });
});

describe("a user's module", () => {
  const SUM = 'export function sum(inputs, knobs, tf) { throw new Error("never called here"); }\n';

  test('may be short: what it leaves out has a default', async () => {
    const recipe = await load(recipeWith(await moduleWith(`export const declaration = {};\n${SUM}`)));
    expect(lossOf(recipe)).toEqual({ labels: { weight: 1, smoothing: 0 }, terms: [{ module: join(folder, 'losses/own.mjs'), weight: 1 }] });
    expect(await load(explainRecipe(recipe))).toEqual(recipe);
  });

  test('is checked and completed as a loss of the package is', async () => {
    const text = `export const declaration = {
      weight: 2, takesTaps: true,
      knobs: { margin: { default: { schedule: 'linear', from: 0, to: 1 }, min: 0, max: 1 } },
      constants: { groups: { default: 4, min: 1, whole: true } },
    };\n${SUM}`;
    const good = await load(recipeWith(await moduleWith(text, ', taps: [[conv1, conv1]]')));
    expect(lossOf(good)).toMatchObject({
      terms: [{ weight: 2, margin: { schedule: 'linear', from: 0, to: 1 }, groups: 4, weights: [1], taps: [['conv1', 'conv1']] }],
    });
    const bad = await failure(recipeWith(await moduleWith(text, ', margin: 2, groups: 1.5, marging: 1')));
    for (const part of [
      /margin must be at most 1, not 2/,
      /groups must be a whole number, not 1\.5/,
      /unknown key "marging"/,
      /needs the key "taps"/,
    ]) {
      expect(bad).toMatch(part);
    }
    const plain = await moduleWith(`export const declaration = {};\n${SUM}`);
    expect(await failure(recipeWith('{}', plain))).toMatch(/the loss losses\/own\.mjs learns from a teacher, and a train stage has none/);
    const alone = await moduleWith(`export const declaration = { takesOther: false };\n${SUM}`);
    expect(lossOf(await load(recipeWith('{}', alone)), 'teacher')).toMatchObject({ terms: [{ weight: 1 }] });
  });

  const broken: readonly (readonly [string, string, RegExp])[] = [
    ['throws', 'throw new Error("no such luck");', /own\.mjs: cannot load the module: no such luck\. The module is run/],
    ['has a syntax error', 'export const declaration = {', /own\.mjs: cannot load the module: .*\. Mend its JavaScript: node --check/],
    ['exports nothing', '', /own\.mjs: the module exports nothing, but no object 'declaration'\. Write: export const declaration/],
    ['exports no sum', 'export const declaration = {}; export const loss = 1;', /exports declaration, loss, but no function 'sum'/],
    ['declares a number', `export const declaration = 3;\n${SUM}`, /no object 'declaration'/],
    ['ends its process', 'process.exit(3);', /own\.mjs: importing the module ended its process \(exit code 3\)/],
    [
      'declares an unknown field',
      `export const declaration = { knob: {} };\n${SUM}`,
      /unknown key "knob" in declaration; did you mean "knobs"\?/,
    ],
    [
      'declares a knob without a default',
      `export const declaration = { knobs: { t: {} } };\n${SUM}`,
      /declaration\.knobs\.t needs the key "default"/,
    ],
    [
      'declares a default that is text',
      `export const declaration = { constants: { p: { default: 'x' } } };\n${SUM}`,
      /declaration\.constants\.p\.default must be a number, not "x"/,
    ],
    [
      'declares a default out of range',
      `export const declaration = { knobs: { t: { default: 0, above: 0 } } };\n${SUM}`,
      /knobs\.t\.default: it is outside the range/,
    ],
    [
      'declares a knob that every term has',
      `export const declaration = { knobs: { weight: { default: 1 } } };\n${SUM}`,
      /"weight" cannot be a name \(every term has loss, module, from, weight, taps, flows, weights, batch already\)/,
    ],
    [
      'declares one name twice',
      `export const declaration = { knobs: { t: { default: 1 } }, constants: { t: { default: 1 } } };\n${SUM}`,
      /"t" is both a knob and a constant/,
    ],
    [
      'declares needs that is no function',
      `export const declaration = { needs: {} };\n${SUM}`,
      /declaration\.needs: it must be a function/,
    ],
  ];
  test.each(broken)('that %s is refused', async (_, text, message) => {
    const found = await failure(recipeWith(await moduleWith(text)));
    expect(found).toMatch(message);
    expect(found).toMatch(new RegExp(`^recipe\\.yaml:${STUDENT_LINE}:`));
  });

  test('that is not there is refused', async () => {
    const found = await failure(recipeWith('{ terms: [{ module: losses/none.mjs }] }'));
    expect(found).toMatch(/terms\[0\]\.module: losses\/none\.mjs: cannot load the module/);
  });

  test('that never comes to its end is given up at a deadline', async () => {
    await moduleWith('for (;;) {}');
    expect(await readDeclaration(join(folder, 'losses/own.mjs'), 1_000)).toMatchObject({
      type: 'failed',
      message: expect.stringMatching(/own\.mjs: importing the module takes more than 1 s\. Do nothing at import/),
    });
  });

  test('is read once for a recipe, however many terms name it', async () => {
    await moduleWith(
      `import { appendFileSync } from 'node:fs';\nappendFileSync(new URL('log', import.meta.url), 'x');\nexport const declaration = {};\n${SUM}`,
    );
    await load(recipeWith('{ terms: [{ module: losses/own.mjs }, { module: ./losses/own.mjs, weight: 2 }] }'));
    expect(await readFile(join(folder, 'losses/log'), 'utf8')).toBe('x');
  });
});
