/**
 * Every shipped recipe for files of the user's own, with files in that format: its models can be built, the layers that it taps are there
 * and fit, and each of its losses can be computed. Its training steps are left out, as with `validate --quick`.
 */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageFolder } from '../../src/process/package-folder.js';
import { checkRecipe } from '../../src/recipe/check-recipe.js';
import { writeCifar10, writeCifar100 } from '../support/data-files.js';
import { writeNoiseFolder } from '../support/image-folder.js';

const FOLDER = join(packageFolder, 'deploy/recipes');
/** Each class has images, in both parts. */
const SIZE = { perFile: 40, train: 200, test: 100 };
const FILES = readdirSync(FOLDER).filter((name) => /^(article|cifar100|mutual-cifar100|imagenet)-?.*\.yaml$/.test(name));
/** Models are built and losses computed one after the other: a minute, where others use the cores. */
const TRIAL_MS = 280_000;

const folder = mkdtempSync(join(tmpdir(), 'stillhouse own data '));
beforeAll(async () => {
  await writeCifar10(join(folder, 'cifar10'), SIZE);
  await writeCifar100(join(folder, 'cifar100'), SIZE);
  await writeNoiseFolder(join(folder, 'folder'), { parts: { train: 100, val: 20 } });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('there are those of the published pairs and of the article', () => {
  expect(FILES).toEqual(expect.arrayContaining(['cifar100-resnet56-resnet20.yaml', 'article-1.yaml', 'mutual-cifar100.yaml']));
});

test.each(FILES)('%s can be run, without a warning', async (name) => {
  const format = name.startsWith('article') ? 'cifar10' : name.startsWith('imagenet') ? 'folder' : 'cifar100';
  // The sets here have fewer images than those terms contrast each with.
  const fewer = /^(cifar100|imagenet)-/.test(name) ? ['stages.crd.loss.terms.0.negatives=100'] : [];
  const set = [`data.path=${join(folder, format)}`, ...fewer];
  const { recipe, warnings, parameters } = await checkRecipe(join(FOLDER, name), { set, isQuick: true, trialMs: TRIAL_MS });
  expect(recipe.data.format).toBe(format);
  expect(warnings).toEqual([]);
  expect(Object.keys(parameters).length).toBe(Object.keys(recipe.models).length);
});
