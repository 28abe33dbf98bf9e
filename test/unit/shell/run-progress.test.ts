/** The changes by which a user mends a run that has failed; and the copies of its modules. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { keepModules } from '../../../coordinator/shell/module-copies.js';
import { runFolderAt } from '../../../coordinator/shell/run-folder.js';
import { lostCheckpoints, mendOf, progressOf } from '../../../coordinator/shell/run-progress.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { ErrorCode } from '../../../src/errors/table.js';
import { basisOf } from '../../../src/recipe/basis.js';
import { RECIPE, tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

const term = asTerm(1);
const commit = (stage: string): JournalRecord => ({
  ...{ type: 'commit', term, stage, round: asRoundId(1), contributors: [asIncarnation(1)], hashes: { model: null } },
  ...{ ranges: [{ start: 0, end: 8 }], committed: 8, lockstep: {}, losses: {} },
});
const done = (stage: string): JournalRecord => ({
  type: 'stage-done',
  term,
  result: {
    ...{ stage, tests: [], checkpoint: null, best: {}, commits: 1, samples: 8, skipped: 0, waited: {}, late: {}, losses: {}, seconds: 1 },
  },
});

test.each<[string, readonly JournalRecord[], readonly string[]]>([
  ['nothing yet', [], []],
  ['commits without a checkpoint, which are undone', [commit('lost')], []],
  ['commits with one', [commit('kept')], ['kept']],
  ['a stage that is done, and the next one', [commit('base'), done('base'), commit('kept')], ['base', 'kept']],
  ['a stage that was opened again', [commit('base'), done('base'), { type: 'reopen', term, stage: 'base' }], ['base']],
])('begun are: %s', async (_, records, begun) => {
  const folder = runFolderAt(scratchFolder());
  for (const stage of ['base', 'kept']) mkdirSync(join(folder.checkpoints, stage, '1', 'model'), { recursive: true });
  expect([...(await progressOf(folder, records)).begun]).toEqual(begun);
});

const TERMS = { loss: { terms: [{ module: '/own/loss.mjs' }] } };
const { base } = RECIPE.stages;
const recipe = tinyRecipe({
  stages: {
    base,
    first: { ...base, ...TERMS, kind: 'distil', teacher: 'base' },
    second: { ...base, ...TERMS, kind: 'distil', teacher: 'first' },
  },
});

test.each<[ErrorCode, readonly string[], string | null, string | null]>([
  ['data.damaged', ['base'], 'first', 'that is mended'],
  ['model.invalid', ['base'], 'first', 'that is mended, with the same layers in the model'],
  ['checkpoint.missing', ['base'], 'first', 'that checkpoint is whole again'],
  ['loss.invalid', ['base'], null, 'that is mended'],
  ['loss.invalid', ['base'], 'first', null],
  ['loss.invalid', ['base', 'first'], null, null],
  ['training.notFinite', ['base'], 'first', null],
])('after %s with %j done and %s under way: %j', async (code, finished, underWay, mend) => {
  const progress = { done: new Set(finished), begun: new Set(underWay === null ? finished : [...finished, underWay]) };
  expect(await mendOf(code, recipe, async () => progress)).toBe(mend);
});

test('each content of a module is copied once and stays; a file that changes meanwhile is named', async () => {
  const [run, file] = [scratchFolder(), join(scratchFolder(), 'own.mjs')];
  const models = { own: { module: file }, same: { module: file } };
  const own = tinyRecipe({ models, stages: { base: { ...base, model: 'own' } } });
  const copies = () =>
    readdirSync(join(run, 'modules')).map((name) => [name.slice(0, 4), readFileSync(join(run, 'modules', name), 'utf8')]);
  writeFileSync(file, 'one');
  const first = await basisOf(own);
  await keepModules(run, first);
  expect(copies()).toEqual([['own-', 'one']]);
  writeFileSync(file, 'two');
  await keepModules(run, first);
  await keepModules(run, await basisOf(own));
  expect(copies().sort()).toEqual([
    ['own-', 'one'],
    ['own-', 'two'],
  ]);
  rmSync(join(run, 'modules'), { recursive: true });
  await expect(keepModules(run, first)).rejects.toMatchObject({ code: 'model.invalid', details: { file } });
});

test('the reasons why a run does not go on from its newest checkpoints', () => {
  const damaged = [
    { place: join('base', '50', 'model'), message: 'has 3 bytes' },
    { place: join('base', '5', 'model'), message: 'is older' },
  ];
  expect(lostCheckpoints({ stage: 'base', lost: [40, 50] }, damaged)).toEqual(['checkpoint base/50 is damaged: has 3 bytes']);
  expect(lostCheckpoints({ stage: 'base', lost: [50, 60] }, damaged)).toEqual([
    'checkpoint base/50 is damaged: has 3 bytes',
    'checkpoint base/60 is gone',
  ]);
  expect(lostCheckpoints({ stage: null, lost: [] }, damaged)).toEqual([]);
});
