/** A model from outside is tried before a run begins: its outputs on two images, which its layers do not show. Then nothing of it is left. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { EXIT } from '../../../src/errors/table.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { distFolder } from '../../../src/process/package-folder.js';
import { type CheckOptions, checkRecipe } from '../../../src/recipe/check-recipe.js';
import { discardGivenModels } from '../../../src/recipe/given-model.js';

let folder = '';
let recipe = '';
const before = process.env.TMPDIR;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse given trial '));
  mkdirSync(join(folder, 'tmp'));
  process.env.TMPDIR = join(folder, 'tmp');
  await openEngine('cpu');
  await save('soft', tf.layers.dense({ units: 10, activation: 'softmax' }));
  await save('beyond', tf.layers.dense({ units: 10, kernelInitializer: tf.initializers.constant({ value: 3e38 }) }));
  await save('sound', tf.layers.dense({ units: 10 }));
  recipe = join(folder, 'recipe.yaml');
  const stage = 'model: small, on: few, test: few, epochs: 3, batch: 64, optimizer: { name: sgd, rate: 0.01 }';
  writeFileSync(
    recipe,
    `name: tried
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { few: { part: test, to: 500 } }
models: { small: { name: cnn-student } }
stages:
  s:
    { kind: distil, teacher: { file: ./sound }, ${stage} , loss: {} }
`,
  );
});
afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(folder, { recursive: true });
});

/** A model that ends with this layer and a reshape, which hides its activation. */
async function save(name: string, last: ReturnType<typeof tf.layers.dense>): Promise<void> {
  const layers = [tf.layers.flatten({ inputShape: [28, 28, 1] }), last, tf.layers.reshape({ targetShape: [10] })];
  const model = tf.sequential({ layers });
  const facts = { run: 'r', stage: 's', peer: 'model', round: 3, epoch: 1, accuracy: 0.5, mean: [0.286], std: [0.353] };
  mkdirSync(join(folder, name));
  for (const file of exportModel({ topology: topologyOf(model), parameters: readArena(model, arenaSchemaOf(model)), file: '/run' }, facts))
    writeFileSync(join(folder, name, file.name), file.bytes);
  disposeModel(model);
}

const check = (name: string, options: CheckOptions = {}) =>
  checkRecipe(recipe, { ...options, set: [`stages.s.teacher={ file: ${JSON.stringify(join(folder, name))} }`] });
const left = () => readdirSync(join(folder, 'tmp')).filter((name) => name.startsWith('stillhouse-given-'));

test.each([
  ['soft', /: stages\.s\.teacher: the outputs are probabilities: none is negative .* Save the model without its softmax$/],
  ['beyond', /: stages\.s\.teacher: the outputs are not finite \(NaN or infinite\) on 2 samples\. Look at the data/],
])('a model whose outputs are no logits (%s): refused at its place', async (name, message) => {
  await expect(check(name)).rejects.toMatchObject({ code: 'model.invalid', message: expect.stringMatching(message) });
  expect(left()).toEqual([]);
});

test('a sound one is kept until the caller removes it; --quick tries no model', async () => {
  const { given, tried } = await check('sound');
  expect(tried).toEqual(['s']);
  expect(left()).toHaveLength(1);
  await discardGivenModels(given);
  expect(left()).toEqual([]);
  const quick = await check('soft', { isQuick: true });
  expect(quick.tried).toEqual([]);
  await discardGivenModels(quick.given);
});

test('the layers of a given teacher are tapped by name; a wrong one gets the nearest name and the list with shapes', async () => {
  const tapping = (layer: string) => {
    const loss = `stages.s.loss={ terms: [{ loss: rkd, taps: [[logits, ${layer}]] }] }`;
    return checkRecipe(recipe, { isQuick: true, set: [`stages.s.teacher={ file: ${JSON.stringify(join(folder, 'sound'))} }`, loss] });
  };
  const message =
    /: stages\.s\.loss\.terms\[0\]\.taps\[0\]\[1\]: the teacher \(\S.*\) has no layer "dens-1"; did you mean "dense-1"\? Its layers, .*: flatten-0 784, dense-1 10, reshape-2 10$/;
  await expect(tapping('dens-1')).rejects.toMatchObject({ code: 'model.invalid', message: expect.stringMatching(message) });
  await discardGivenModels((await tapping('dense-1')).given);
});

test('Ctrl-C during the check leaves nothing, and ends the command as it does everywhere', async () => {
  const watcher = watch(join(folder, 'tmp'));
  const command = spawn(process.execPath, [join(distFolder, 'src/cli/main.js'), 'validate', recipe], { stdio: 'ignore' });
  const ended = once(command, 'exit');
  await once(watcher, 'change');
  expect(left()).toHaveLength(1);
  command.kill('SIGINT');
  expect(await ended).toEqual([EXIT.interrupted, null]);
  watcher.close();
  expect(left()).toEqual([]);
});
