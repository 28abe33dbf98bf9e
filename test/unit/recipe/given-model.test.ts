/** Models from outside: each source, and each reason for which a model is not taken. */

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { type GivenData, openGivenModel } from '../../../src/recipe/given-model.js';

const DATA: GivenData = { height: 8, width: 8, channels: 1, classes: 3, normalise: { mean: [0.2], std: [0.3] } };

/** The files of a model, as an export writes them. */
function filesOf(model: tf.LayersModel) {
  const facts = { run: 'r', stage: 's', peer: 'model', round: 3, epoch: 1, accuracy: 0.5, mean: [0.2], std: [0.3] };
  return exportModel({ topology: topologyOf(model), parameters: readArena(model, arenaSchemaOf(model)), file: '/run' }, facts);
}

let folder = '';
let parameters: Float32Array = new Float32Array();
let schema = '';
beforeAll(async () => {
  await openEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'stillhouse given '));
  const model = await buildModel({ name: 'cnn-student', options: {} }, { inputShape: [8, 8, 1], classes: 3, seed: 5 });
  parameters = readArena(model, arenaSchemaOf(model));
  schema = arenaSchemaOf(model).model.hash;
  for (const { name, bytes } of filesOf(model)) await writeFile(join(folder, name), bytes);
  disposeModel(model);
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the saved model with a change of its model.json. */
async function changed(change: (json: Record<string, unknown>) => void): Promise<string> {
  const copy = await mkdtemp(join(folder, 'copy-'));
  await cp(join(folder, 'weights.bin'), join(copy, 'weights.bin'));
  const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as Record<string, unknown>;
  change(json);
  await writeFile(join(copy, 'model.json'), JSON.stringify(json));
  return join(copy, 'model.json');
}

async function save(model: tf.LayersModel): Promise<string> {
  const own = await mkdtemp(join(folder, 'own-'));
  for (const { name, bytes } of filesOf(model)) await writeFile(join(own, name), bytes);
  disposeModel(model);
  return join(own, 'model.json');
}

test.each(['model.json', ''])(
  'a saved model, by its file or its folder ("%s"), becomes a checkpoint with the same numbers',
  async (name) => {
    const { content, warnings } = await openGivenModel('big', { file: join(folder, name) }, DATA);
    expect(warnings).toEqual([]);
    expect(content.tensors.get('parameters')).toEqual(parameters);
    expect(content.info).toMatchObject({ state: { stage: 'big', peer: 'model', round: 1 }, schema, ranges: [] });
  },
);

test('an export of ours says how its data was normalised, and what its numbers hash to', async () => {
  const { content } = await openGivenModel('big', { file: folder }, DATA);
  const facts = (own: object) => changed((json) => Object.assign(json, { userDefinedMetadata: { stillhouse: own } }));
  const same = await facts({ parametersSha256: content.info.hash, mean: [0.2], std: [0.3] });
  expect((await openGivenModel('big', { file: same }, DATA)).warnings).toEqual([]);
  const other = await facts({ parametersSha256: content.info.hash, mean: [0.5], std: [0.3] });
  expect((await openGivenModel('big', { file: other }, DATA)).warnings).toEqual([
    'stages.big: the model was trained with mean [0.5] and std [0.3], and data.normalise has mean [0.2] and std [0.3]',
  ]);
  const damaged = await facts({ parametersSha256: 'ab'.repeat(32), mean: [0.2], std: [0.3] });
  await expect(openGivenModel('big', { file: damaged }, DATA)).rejects.toMatchObject({ code: 'model.invalid', message: /damaged/ });
});

const dense = (activation: 'linear' | 'softmax', units = 3) =>
  tf.sequential({ layers: [tf.layers.flatten({ inputShape: [8, 8, 1] }), tf.layers.dense({ units, activation, name: 'last' })] });

test.each([
  ['there is no file', async () => join(folder, 'none.json'), /cannot be read: there is no such file/],
  ['no JSON', async () => join(folder, 'weights.bin'), /this is no model\.json/],
  ['a graph model', () => changed((json) => Object.assign(json, { format: 'graph-model' })), /this is a graph model/],
  [
    'weights that are not there',
    () => changed((json) => Object.assign(json, { weightsManifest: [{ paths: ['gone.bin'], weights: [] }] })),
    /its weights cannot be read/,
  ],
  [
    'fewer weights than layers need',
    () => changed((json) => Object.assign(json, { weightsManifest: [{ paths: ['weights.bin'], weights: [] }] })),
    /TensorFlow\.js cannot open this model/,
  ],
  ['a softmax', () => save(dense('softmax')), /ends with a softmax \(layer 'last'\)/],
  ['other classes', () => save(dense('linear', 4)), /the model's output is \[null,4\], not \[null,3\]/],
  [
    'other images',
    async () => save(tf.sequential({ layers: [tf.layers.flatten({ inputShape: [9, 9, 1] }), tf.layers.dense({ units: 3 })] })),
    /the model's input is \[null,9,9,1\]/,
  ],
] as const)('%s: refused', async (_, make, message) => {
  const file = await make();
  await expect(openGivenModel('big', { file }, DATA)).rejects.toMatchObject({ code: 'model.invalid', message });
});

test('a folder that is no run', async () => {
  await expect(openGivenModel('big', { run: folder, epoch: 'last' }, DATA)).rejects.toMatchObject({
    code: 'run.invalid',
    message: /this folder is not a run/,
  });
});
