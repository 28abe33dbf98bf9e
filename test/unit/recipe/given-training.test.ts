/**
 * The known training of models from outside. Run `a` has trained `big` on 12 test images; run `b` has taken it, and taught `small` with
 * it; the recipe takes `small`, and tests it on 15 test images, 7 of which `big` has seen.
 */

import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RUN_FORMAT_FILE, RUN_FORMAT_TEXT } from '../../../src/checkpoint/run-format.js';
import { parseRecipe } from '../../../src/config/load.js';
import type { OutsideModel, Recipe } from '../../../src/config/schema.js';
import { verifyData } from '../../../src/data/dataset.js';
import { FingerprintCache } from '../../../src/data/fingerprint-cache.js';
import type { GivenTraining } from '../../../src/protocol/training-split.js';
import { basisOf, readBasis, spellBasis } from '../../../src/recipe/basis.js';
import { placesOf, trainingOf, trainingOutside } from '../../../src/recipe/given-training.js';
import { writeIdx } from '../../support/data-files.js';

let top = '';
const at = (...path: readonly string[]) => join(top, ...path);

beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'stillhouse training '));
  await writeIdx(at('p', 'd'));
  await writeRun('a', { big: { kind: 'train', on: 'seen', ...COMMON } });
  const given = { kind: 'load', from: { run: at('p', 'runs', 'a'), stage: 'big' }, test: 'test' };
  await writeRun('b', { given, small: { kind: 'distil', teacher: 'given', on: 'train', loss: {}, ...COMMON } });
});
afterEach(() => rmSync(top, { recursive: true }));

const COMMON = { test: 'test', epochs: 1, batch: 4, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };
const BOTH = [
  { run: 'b', stage: 'small', common: { test: 0 } },
  { run: 'a', stage: 'big', common: { test: 7 } },
];

function recipeOf(stages: object, data = at('p', 'd'), test: object = { from: 5 }): Recipe {
  const splits = { train: { part: 'train' }, seen: { part: 'test', to: 12 }, test: { part: 'test', ...test } };
  return parseRecipe(
    JSON.stringify({
      name: 'r',
      data: { format: 'idx', path: data, normalise: { mean: [0], std: [1] }, splits },
      models: { small: { name: 'cnn-student' } },
      stages,
    }),
  );
}

async function writeRun(name: string, stages: object, training: GivenTraining = {}): Promise<void> {
  const folder = at('p', 'runs', name);
  mkdirSync(folder, { recursive: true });
  const recipe = recipeOf(stages);
  writeFileSync(join(folder, 'config.resolved.yaml'), JSON.stringify(recipe));
  writeFileSync(join(folder, RUN_FORMAT_FILE), RUN_FORMAT_TEXT);
  writeFileSync(join(folder, 'basis.json'), spellBasis({ ...(await basisOf(recipe, { training })), home: folder }));
}

/** The training of the model of a recipe that takes it from there. */
async function trainingFrom(from: OutsideModel, data = at('p', 'd'), kept: GivenTraining = {}) {
  const { splits, ...rest } = recipeOf({ taken: { kind: 'load', from, test: 'test' } }, data).data;
  const { seen: _, ...own } = splits;
  const recipe = { ...recipeOf({ taken: { kind: 'load', from, test: 'test' } }, data), data: { ...rest, splits: own } };
  const content = await verifyData(recipe.data, new FingerprintCache(at('cache.json')));
  return trainingOutside(recipe, content, kept);
}
const fromRun = (data?: string, run = at('p', 'runs', 'b')) => trainingFrom({ run, stage: 'small', epoch: 'last' }, data);

test('it goes from run to run, and images are compared', async () => {
  expect((await fromRun()).taken).toMatchObject(BOTH);
});

test('the data of the other runs is gone, and the recipe has the same files elsewhere', async () => {
  renameSync(at('p', 'd'), at('elsewhere'));
  expect((await fromRun(at('elsewhere'))).taken).toMatchObject(BOTH);
});

test('the other runs lie elsewhere with their data, and the recipe has the images in other files', async () => {
  await writeIdx(at('own'), { gzip: true });
  renameSync(at('p'), at('q'));
  expect((await fromRun(at('own'), at('q', 'runs', 'b'))).taken).toMatchObject(BOTH);
});

test('a split of the recipe with the same content stands for one that is gone', async () => {
  const recipe = recipeOf({ taken: { kind: 'load', from: { run: at('p', 'runs', 'a'), stage: 'big' }, test: 'test' } });
  const content = await verifyData(recipe.data, new FingerprintCache(at('cache.json')));
  renameSync(at('p', 'd'), at('elsewhere'));
  expect((await trainingOutside(recipe, content)).taken).toMatchObject([{ stage: 'big', common: { test: 7 } }]);
});

test('other images at the place of those that it was trained on are not taken for them', async () => {
  await writeIdx(at('p', 'd'), { seed: 9 });
  expect((await fromRun()).taken).toMatchObject([{ common: {} }, { stage: 'big', common: {} }]);
  expect(Object.keys((await fromRun()).taken?.[1]?.common ?? {})).toEqual([]);
});

test('a run that is gone says nothing, unless the next one has kept what it said', async () => {
  const { taken = [] } = await trainingFrom({ run: at('p', 'runs', 'a'), stage: 'big', epoch: 'last' });
  rmSync(at('p', 'runs', 'a'), { recursive: true });
  expect((await fromRun()).taken).toMatchObject(BOTH.slice(0, 1));
  const { stages } = readBasis(at('p', 'runs', 'b', 'basis.json'))?.recipe ?? { stages: {} };
  await writeRun('b', stages, { given: taken });
  expect((await fromRun()).taken).toMatchObject(BOTH);
});

test('a run knows by itself what it has found, when every source is gone', async () => {
  const found = await fromRun();
  cpSync(at('p', 'd'), at('elsewhere'), { recursive: true });
  rmSync(at('p'), { recursive: true });
  const from = { run: at('p', 'runs', 'b'), stage: 'small', epoch: 'last' as const };
  expect(await trainingFrom(from, at('elsewhere'), found)).toEqual(found);
  expect(await trainingFrom(from, at('elsewhere'))).toEqual({});
});

test('an export says it in its metadata; another model says nothing', async () => {
  const recipe = recipeOf({ big: { kind: 'train', on: 'seen', ...COMMON } });
  const { splits } = await basisOf(recipe);
  const trainedOn = trainingOf(recipe, { run: 'a', stage: 'big', splits, training: {} });
  mkdirSync(at('model'));
  const file = at('model', 'model.json');
  writeFileSync(file, JSON.stringify({ userDefinedMetadata: { stillhouse: { run: 'a', trainedOn } } }));
  for (const path of [file, at('model')]) {
    expect((await trainingFrom({ file: path })).taken).toMatchObject([{ run: 'a', stage: 'big', paths: [], common: { test: 7 } }]);
  }
  for (const text of ['{}', JSON.stringify({ userDefinedMetadata: { stillhouse: { trainedOn: [{ run: 'a' }] } } })]) {
    writeFileSync(file, text);
    expect(await trainingFrom({ file }), text).toEqual({});
  }
});

test('a damaged record of a source is an error', async () => {
  writeFileSync(at('p', 'runs', 'a', 'basis.json'), '{');
  await expect(fromRun()).rejects.toMatchObject({ code: 'run.invalid', details: { file: at('p', 'runs', 'a', 'basis.json') } });
});

test('data that was moved together with its run is found at the same place from the folder', () => {
  const basis = readBasis(at('p', 'runs', 'a', 'basis.json'));
  expect(placesOf(at('p', 'd'), at('p', 'runs', 'a'), basis)).toEqual([at('p', 'd')]);
  renameSync(at('p'), at('q'));
  expect(placesOf(at('p', 'd'), at('q', 'runs', 'a'), basis)).toEqual([at('q', 'd'), at('p', 'd')]);
});
