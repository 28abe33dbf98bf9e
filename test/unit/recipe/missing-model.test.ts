/** The run's own copies of models from outside when it goes on: which are whole, which are taken again, and which nobody needs. */

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { storeGivenModels } from '../../../coordinator/shell/given-models.js';
import { asTerm } from '../../../src/base/ids.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { readCheckpointOf } from '../../../src/checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { discardGivenModels, takeGivenModels, takeMissingModels } from '../../../src/recipe/given-model.js';
import { loadPlacedRecipe } from '../../../src/recipe/load-recipe.js';

let folder = '';
let run = '';
const PLACE = 's-init/1/model';
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse missing '));
  run = join(folder, 'run');
  mkdirSync(run);
  await openEngine('cpu');
  await writeSource(5);
});
afterEach(() => rmSync(folder, { recursive: true }));

const source = () => join(folder, 'source');
const at = (file: string) => join(run, 'checkpoints', PLACE, file);

async function writeSource(seed: number): Promise<void> {
  const model = await buildModel({ name: 'cnn-student', options: {} }, { inputShape: [28, 28, 1], classes: 10, seed });
  const facts = { run: 'r', stage: 's', peer: 'model', round: 3, epoch: 1, accuracy: 0.5, mean: [0.286], std: [0.353] };
  mkdirSync(source(), { recursive: true });
  const files = exportModel({ topology: topologyOf(model), parameters: readArena(model, arenaSchemaOf(model)), file: '/run' }, facts);
  for (const { name, bytes } of files) writeFileSync(join(source(), name), bytes);
  disposeModel(model);
}

async function placed(epochs = 1) {
  const file = join(folder, 'recipe.yaml');
  const stage = `{ kind: train, model: small, init: { file: ./source }, on: few, test: few, epochs: ${epochs}, batch: 64`;
  writeFileSync(
    file,
    `name: missing
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { few: { part: test, to: 500 } }
models: { small: { name: cnn-student } }
stages: { s: ${stage}, optimizer: { name: sgd, rate: 0.01 } } }
`,
  );
  return loadPlacedRecipe(file);
}

/** The run has taken the model, and these stages are done. */
async function begin(...done: readonly string[]): Promise<void> {
  const own = await placed();
  const given = await takeGivenModels(own);
  const store = await openCheckpointStore(join(run, 'checkpoints'));
  const folderOf = given.folder ?? undefined;
  const taken = await storeGivenModels(store, { recipe: own.recipe, folder: folderOf, term: asTerm(1), done: new Set() });
  await discardGivenModels(given.folder);
  const results = done.map((stage) => ({ stage, checkpoint: taken[stage] ?? null }));
  writeFileSync(join(run, 'journal'), results.map((result) => writeJournalLine({ type: 'stage-done', term: 1, result })).join(''));
}

async function take(epochs = 1) {
  const { recipe } = await placed();
  const found = await takeMissingModels(await placed(epochs), run, recipe);
  const content = found.folder === null ? null : await readCheckpointOf(found.folder, { stage: 's-init', peer: 'model', round: 1 });
  await discardGivenModels(found.folder);
  return { ...found, content };
}

test('a whole copy is kept, also without its source', async () => {
  await begin('s-init');
  renameSync(source(), `${source()}-gone`);
  expect(await take()).toMatchObject({ folder: null, warnings: [], stages: [{ stage: 's-init' }] });
});

test.each([
  ['is damaged', () => writeFileSync(at('parameters.bin'), 'short')],
  ['is known as damaged', () => writeFileSync(at('damaged.txt'), 'a word')],
  ['was copied by half', () => rmSync(at('manifest.json'))],
])('a copy that %s is taken again, and said at its place in the recipe', async (_, damage) => {
  await begin('s-init');
  expect(existsSync(at('parameters.bin')) && existsSync(at('manifest.json'))).toBe(true);
  damage();
  const { content, warnings, folders } = await take();
  expect(content).not.toBeNull();
  expect(folders).toHaveLength(2);
  expect(warnings).toEqual(["stages.s.init: the run's copy of the model is damaged, so it is taken again from its source"]);
});

test('an empty folder in its place is no copy', async () => {
  await begin('s-init');
  rmSync(join(run, 'checkpoints', PLACE), { recursive: true });
  expect(await take()).toMatchObject({ warnings: [], content: { info: { state: { stage: 's-init' } } } });
});

test('a damaged copy without its source: the place, and both ways to mend it', async () => {
  await begin('s-init');
  rmSync(at('manifest.json'));
  renameSync(source(), `${source()}-gone`);
  await expect(take()).rejects.toMatchObject({
    code: 'checkpoint.damaged',
    message: expect.stringMatching(
      /checkpoints\/s-init\/1\/model: stages\.s\.init: the run's copy of this model is damaged .*Put the source back, or a whole copy of that folder/,
    ),
  });
});

test('another model at the source than the run has worked with is refused', async () => {
  await begin('s-init');
  rmSync(at('manifest.json'));
  await writeSource(6);
  await expect(take()).rejects.toMatchObject({
    code: 'model.invalid',
    message: expect.stringMatching(/^stages\.s\.init: .* its source has another model now\. Put the model back/),
  });
});

test('a model that only finished stages name is not looked for, unless one of them goes on', async () => {
  await begin('s-init', 's');
  rmSync(join(run, 'checkpoints', PLACE), { recursive: true });
  renameSync(source(), `${source()}-gone`);
  expect(await take()).toMatchObject({ stages: [], folder: null });
  await expect(take(2)).rejects.toMatchObject({ code: 'model.invalid', message: expect.stringMatching(/there is no such file/) });
});

test('the coordinator replaces a damaged copy, asks for none that is not needed, and says what is missing', async () => {
  await begin('s-init');
  rmSync(at('manifest.json'));
  const { recipe } = await placed();
  const term = asTerm(2);
  const open = () => openCheckpointStore(join(run, 'checkpoints'));
  const without = { recipe, term, folder: undefined };
  await expect(storeGivenModels(await open(), { ...without, done: new Set() })).rejects.toMatchObject({
    code: 'checkpoint.damaged',
    message: expect.stringMatching(/stage s-init takes, checkpoint s-init\/1\/model: .*Put its source back/),
  });
  expect(await storeGivenModels(await open(), { ...without, done: new Set(['s-init', 's']) })).toEqual({});
  const again = await takeMissingModels(await placed(), run, recipe);
  const given = await storeGivenModels(await open(), { recipe, term, folder: again.folder ?? undefined, done: new Set() });
  await discardGivenModels(again.folder);
  expect(Object.keys(given)).toEqual(['s-init']);
  expect(await take()).toMatchObject({ folder: null, warnings: [] });
});
