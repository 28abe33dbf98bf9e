/** The recipe of a run whose folder, data or modules lie elsewhere than when it began. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { spellBasis } from '../../../src/recipe/basis.js';
import { loadRun } from '../../../src/recipe/load-run.js';

/** The folder `p` of a user: `d` has the data, `own.mjs` and `loss.mjs` are modules, `runs/r` is the run. */
let top = '';
const at = (...path: readonly string[]) => join(top, ...path);

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'stillhouse moved run '));
  mkdirSync(at('p', 'd'), { recursive: true });
  mkdirSync(at('p', 'runs', 'r'), { recursive: true });
  writeFileSync(at('p', 'own.mjs'), 'export const build = 1;');
  writeFileSync(at('p', 'loss.mjs'), LOSS);
  const recipe = recipeOf(at('p'));
  writeFileSync(at('p', 'runs', 'r', 'config.resolved.yaml'), JSON.stringify(recipe));
  const whole = parseRecipe(JSON.stringify(recipe));
  const basis = { home: at('p', 'runs', 'r'), recipe: whole, splits: {}, modules: DIGESTS, models: {}, training: {} };
  writeFileSync(at('p', 'runs', 'r', 'basis.json'), spellBasis(basis));
});
afterEach(() => rmSync(top, { recursive: true }));

const DIGESTS = { 'models.own': 'ab'.repeat(32), 'stages.s.loss.terms[0]': 'cd'.repeat(32) };
const LOSS = 'export const declaration = {};\nexport function sum() {}\n';

function recipeOf(folder: string) {
  const stage = { kind: 'train', model: 'own', on: 'all', test: 'all', epochs: 1, batch: 4, optimizer: { name: 'sgd', rate: 0.1 } };
  return {
    name: 'moved',
    data: { format: 'idx', path: join(folder, 'd'), normalise: { mean: [0], std: [1] }, splits: { all: { part: 'train' } } },
    models: { own: { module: join(folder, 'own.mjs') } },
    stages: {
      base: stage,
      s: { ...stage, kind: 'distil', teacher: 'base', loss: { terms: [{ module: join(folder, 'loss.mjs') }] } },
    },
  };
}

/** The places of data, model and loss. */
async function placesOf(run: string, ...set: readonly string[]) {
  const { data, models, stages } = await loadRun(run, set);
  const loss = stages.s?.kind === 'distil' ? stages.s.loss : undefined;
  return [data.path, models.own?.module, loss !== undefined && 'terms' in loss ? loss.terms[0]?.module : undefined];
}

const PLACES = ['d', 'own.mjs', 'loss.mjs'];

describe('a run that lies elsewhere', () => {
  test('with all that belongs to it', async () => {
    expect(await placesOf(at('p', 'runs', 'r'))).toEqual(PLACES.map((name) => at('p', name)));
    renameSync(at('p'), at('q'));
    expect(await placesOf(at('q', 'runs', 'r'))).toEqual(PLACES.map((name) => at('q', name)));
  });

  test('alone: what is still there is used where it is', async () => {
    mkdirSync(at('elsewhere', 'd'), { recursive: true });
    renameSync(at('p', 'runs', 'r'), at('elsewhere', 'r'));
    expect(await placesOf(at('elsewhere', 'r'))).toEqual(PLACES.map((name) => at('p', name)));
  });
});

describe('what is nowhere', () => {
  test('is named with both places, and with what to do', async () => {
    renameSync(at('p'), at('q'));
    renameSync(at('q', 'd'), at('data'));
    const error = await loadRun(at('q', 'runs', 'r'), []).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'data.missing', details: { file: at('p', 'd') } });
    for (const part of [at('q', 'd'), '--set data.path=FOLDER']) expect(error).toHaveProperty('message', expect.stringContaining(part));
  });

  test.each([
    ['own.mjs', 'model.invalid', 'models.own.module'],
    ['loss.mjs', 'loss.invalid', 'stages.s.loss.terms.0.module'],
  ])('%s', async (name, code, key) => {
    rmSync(at('p', name));
    const run = loadRun(at('p', 'runs', 'r'), []);
    await expect(run).rejects.toMatchObject({ code, message: expect.stringMatching(new RegExp(`no such module\\..*--set ${key}=FILE`)) });
  });

  test('is a module of which the run has a copy', async () => {
    for (const name of ['own.mjs', 'loss.mjs']) rmSync(at('p', name));
    mkdirSync(at('p', 'runs', 'r', 'modules'));
    const [own, loss] = ['own-abababababab.mjs', 'loss-cdcdcdcdcdcd.mjs'].map((name) => at('p', 'runs', 'r', 'modules', name));
    writeFileSync(String(own), 'export const build = 1;');
    writeFileSync(String(loss), LOSS);
    expect(await placesOf(at('p', 'runs', 'r'))).toEqual([at('p', 'd'), own, loss]);

    writeFileSync(String(own), "import { width } from './width.mjs';\nexport const build = width;");
    await expect(loadRun(at('p', 'runs', 'r'), [])).rejects.toMatchObject({
      code: 'model.invalid',
      message: expect.stringMatching(
        /no such module\. The run has a copy, .*own-abababababab\.mjs, which names files .*\.\/width\.mjs.*--set models\.own\.module=.*own-aba/,
      ),
    });
  });

  test('is given by an override, from the working directory', async () => {
    renameSync(at('p', 'd'), at('data'));
    const path = relative('.', at('data'));
    expect(path.startsWith('..')).toBe(true);
    expect((await placesOf(at('p', 'runs', 'r'), `data.path=${path}`))[0]).toBe(at('data'));
    // A place that an override names is not looked for elsewhere.
    expect((await placesOf(at('p', 'runs', 'r'), 'data.path=/nowhere/d'))[0]).toBe('/nowhere/d');
  });
});
