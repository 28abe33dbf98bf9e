/** Data and modules of a worker that are not those of the coordinator are refused before they are used. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { basisOf, digestsOf } from '../../../src/recipe/basis.js';
import { requireModules } from '../../../worker/kit/require-modules.js';
import { SplitCache } from '../../../worker/kit/split-cache.js';

const OTHER = 'ab'.repeat(32);

function recipeIn(folder: string) {
  return parseRecipe(
    JSON.stringify({
      name: 'own',
      data: {
        format: 'idx',
        path: 'builtin:fashion-mnist',
        normalise: { mean: [0], std: [1] },
        splits: { few: { part: 'test', to: 20 }, more: { part: 'test', from: 20, to: 50 } },
      },
      models: { own: { module: join(folder, 'own.mjs') } },
      stages: { s: { kind: 'train', model: 'own', on: 'few', test: 'few', epochs: 1, batch: 4, optimizer: { name: 'sgd', rate: 0.1 } } },
    }),
  );
}

test('a split and a module with other content, by name and with both digests', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse worker basis '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const recipe = recipeIn(folder);
  writeFileSync(join(folder, 'own.mjs'), 'export const build = 1;');
  const digests = digestsOf(await basisOf(recipe));

  await expect(requireModules(recipe, digests)).resolves.toBeUndefined();
  const splits = new SplitCache(recipe.data, digests.splits);
  expect((await splits.get('few')).count).toBe(20);

  const strange = new SplitCache(recipe.data, { ...digests.splits, few: OTHER });
  await expect(strange.get('few')).rejects.toMatchObject({
    code: 'basis.differs',
    message: expect.stringMatching(new RegExp(`split few has other images .*${digests.splits.few}.*${OTHER}`)),
  });
  expect((await strange.get('more')).count).toBe(30);

  writeFileSync(join(folder, 'own.mjs'), 'export const build = 2;');
  await expect(requireModules(recipe, digests)).rejects.toMatchObject({
    code: 'basis.differs',
    message: expect.stringContaining(`the module of models.own`),
    details: { file: join(folder, 'own.mjs') },
  });
});
