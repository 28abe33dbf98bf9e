/** Every recipe of the package can be run as it is, or with the files that it names. */

import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainRecipe } from '../../../src/config/explain.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { checkRecipe } from '../../../src/recipe/check-recipe.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';

const FOLDER = join(packageFolder, 'deploy/recipes');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

test('there are some', () => {
  expect(FILES).toContain('demo.yaml');
});

test.each(FILES)('%s is without a mistake, is named after its file, and loads again as it is explained', async (name) => {
  const file = join(FOLDER, name);
  const recipe = await loadRecipe(file);
  // A recipe for files of the user's own lacks those files alone.
  if (recipe.data.path.startsWith('builtin:')) await checkRecipe(file);
  else await expect(checkRecipe(file)).rejects.toMatchObject({ code: 'data.missing' });
  expect(`${recipe.name}.yaml`).toBe(name);
  const folder = await mkdtemp(join(tmpdir(), 'explained '));
  await writeFile(join(folder, name), explainRecipe(recipe));
  expect(await loadRecipe(join(folder, name))).toEqual(recipe);
  await rm(folder, { recursive: true });
});
