/** Models from outside: each source, and each reason for which a model is not taken. */

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { RUN_FORMAT_FILE, RUN_FORMAT_TEXT } from '../../../src/checkpoint/run-format.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
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
    'the model was trained with mean [0.5] and std [0.3], and data.normalise has mean [0.2] and std [0.3]',
  ]);
  const damaged = await facts({ parametersSha256: 'ab'.repeat(32), mean: [0.2], std: [0.3] });
  // Whoever trains an export further and saves it again keeps what it says of the first numbers.
  expect((await openGivenModel('big', { file: damaged }, DATA)).warnings).toEqual([
    'the numbers of the model are not those that it was exported with: it was changed since, or is damaged',
  ]);
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
  [
    'weights of another length',
    async () => {
      const file = await changed(() => undefined);
      await writeFile(join(file, '..', 'weights.bin'), Buffer.concat([await readFile(join(folder, 'weights.bin')), Buffer.alloc(4)]));
      return file;
    },
    /its weights have \d+ bytes, and its list of weights is of \d+\. A file is damaged/,
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

/** A run with a checkpoint of its stage `base`, which ended in round 3 or has not ended. */
async function makeRun({ round, isDone, stages }: { round: number; isDone: boolean; stages?: string }): Promise<string> {
  const run = await mkdtemp(join(folder, 'run-'));
  const { content } = await openGivenModel('base', { file: folder }, DATA);
  const { info } = content;
  const store = await openCheckpointStore(join(run, 'checkpoints'));
  expect(await store.put({ ...content, info: { ...info, state: { ...info.state, round } } })).toMatchObject({ stored: true });
  const result = { stage: 'base', checkpoint: { round: 3, hashes: { model: info.hash } } };
  const saved = writeJournalLine({ type: 'checkpoint', term: 1, stage: 'base', round });
  await writeFile(join(run, 'journal'), saved + (isDone ? writeJournalLine({ type: 'stage-done', term: 1, result }) : ''));
  await writeFile(join(run, RUN_FORMAT_FILE), RUN_FORMAT_TEXT);
  const base = '{ kind: train, model: small, on: all, test: all, epochs: 1, batch: 8, optimizer: { name: sgd, rate: 0.1 } }';
  await writeFile(
    join(run, 'config.resolved.yaml'),
    `name: other
data: { format: idx, path: /gone, normalise: { mean: [0.2], std: [0.3] }, splits: { all: { part: test } } }
models: { small: { name: cnn-student } }
stages: ${stages ?? `{ base: ${base} }`}
`,
  );
  return run;
}

test.each([
  [{ round: 3, isDone: true }, []],
  [{ round: 2, isDone: false }, [/^the run \S.* has not finished its stage base: its newest whole checkpoint is taken, of round 2$/]],
  [{ round: 2, isDone: true }, [/ended its stage base in round 3, and has no whole checkpoint of it: .* is taken, of round 2$/]],
])('the last epoch of another run: %j', async (state, expected) => {
  const { content, warnings } = await openGivenModel('big', { run: await makeRun(state), epoch: 'last' }, DATA);
  expect(content.tensors.get('parameters')).toEqual(parameters);
  expect(warnings).toEqual(expected.map((text) => expect.stringMatching(text)));
});

test('a damaged journal of another run leaves a doubt about its last epoch', async () => {
  const run = await makeRun({ round: 3, isDone: true });
  await writeFile(join(run, 'journal'), 'x\n');
  const { warnings } = await openGivenModel('big', { run, epoch: 'last' }, DATA);
  expect(warnings).toEqual([
    expect.stringMatching(/^epoch and accuracy of the model are not known: .*this line of the journal is damaged/),
  ]);
});

test('a mistake about another run names that run', async () => {
  const run = await makeRun({ round: 3, isDone: true });
  await expect(openGivenModel('big', { run, stage: 'bass', epoch: 'last' }, DATA)).rejects.toMatchObject({
    code: 'usage.invalid',
    message: `the run ${run}: the recipe has no training stage "bass"; did you mean "base"?`,
  });
});

test('a run of another format: its recipe is not read, and an export is the way', async () => {
  const run = await makeRun({ round: 3, isDone: true, stages: '{ base: { kind: unheard-of } }' });
  await writeFile(join(run, RUN_FORMAT_FILE), '3\n');
  await expect(openGivenModel('big', { run, epoch: 'last' }, DATA)).rejects.toMatchObject({
    code: 'run.invalid',
    message:
      /this run is of format 3, .*Export the model with the version of Stillhouse that made the run, and give that as \{ file: FOLDER \}$/,
  });
});
