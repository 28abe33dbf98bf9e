/** The faults that are found before a run goes on: modules that throw, hang or end their process, and what is new to the run. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { explainRecipe } from '../../../src/config/explain.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { buildModel } from '../../../src/nn/build.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { basisOf, spellBasis } from '../../../src/recipe/basis.js';
import type { CheckOptions } from '../../../src/recipe/check-recipe.js';
import { checkRun } from '../../../src/recipe/check-run.js';
import { openGivenModel } from '../../../src/recipe/given-model.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';

let folder = '';
let run = '';
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse checked run '));
  run = join(folder, 'run');
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  writeModule('');
  await begin(`base: ${stage('model: own')}`);
});
afterEach(() => rmSync(folder, { recursive: true }));

const stage = (own: string) => `{ kind: train, ${own}, on: few, test: few, epochs: 3, batch: 64, optimizer: { name: sgd, rate: 0.01 } }`;
const added = (own: string): readonly string[] => [`stages.added=${stage(own)}`];

/** Writes the model's module, with these statements at the beginning of `build`; `units` changes its structure. */
function writeModule(body: string, units = 16): void {
  const layers = `tf.layers.dense({ units: ${units} }), tf.layers.dense({ units: classes })`;
  writeFileSync(
    join(folder, 'own.mjs'),
    `export function build({ inputShape, classes }, { layers: tf }) {
  ${body}
  return tf.sequential({ layers: [tf.layers.flatten({ inputShape }), ${layers}] });
}
`,
  );
}

/** Writes the folder of a run that begins now with these stages. */
async function begin(stages: string): Promise<void> {
  const file = join(folder, 'recipe.yaml');
  const recipe = `name: checked
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { few: { part: test, to: 500 } }
models: { own: { module: ./own.mjs }, small: { name: cnn-student } }
stages:
  ${stages}
`;
  writeFileSync(file, recipe);
  const loaded = await loadRecipe(file);
  writeFileSync(join(run, 'config.resolved.yaml'), explainRecipe(loaded));
  writeFileSync(join(run, 'basis.json'), spellBasis({ ...(await basisOf(loaded)), home: run }));
  const { structures } = await checkRun(run);
  writeFileSync(join(run, 'basis.json'), spellBasis({ ...(await basisOf(loaded, { models: structures })), home: run }));
}

async function failure(options: CheckOptions = {}): Promise<StillhouseError> {
  const error = await checkRun(run, options).catch((reason: unknown) => reason);
  if (error instanceof StillhouseError) return error;
  throw new Error(`the run was accepted, or broke the program: ${String(error)}`);
}

test('a run that goes on as it was: its models are built, and no step is tried', async () => {
  const { structures, tried, warnings, given } = await checkRun(run);
  expect(structures).toMatchObject({ own: { parameters: 784 * 16 + 16 + 16 * 10 + 10 }, small: { parameters: 4_266 } });
  expect({ tried, warnings, given }).toEqual({ tried: [], warnings: [], given: null });
});

test.each([
  ['ends its process', 'process.exit(0);', /own\.mjs: while the model was built: its process ended \(exit code 0\)\. A module must not/],
  ['throws', "throw new Error('no luck');", /own\.mjs:2:\d+: build failed: no luck/],
])('a module that %s', async (_, body, message) => {
  writeModule(body);
  const error = await failure();
  expect(error).toMatchObject({ code: 'model.invalid', exitCode: 2, details: { file: join(run, 'config.resolved.yaml') } });
  expect(error.message).toMatch(/config\.resolved\.yaml:\d+:\d+: models\.own: /);
  expect(error.message).toMatch(message);
});

test('a module that hangs: also where its file is as it was', async () => {
  const hang = 'if (process.env.STILLHOUSE_TEST_HANG) for (;;) {}';
  writeModule(hang);
  await begin(`base: ${stage('model: own')}`);
  process.env.STILLHOUSE_TEST_HANG = 'yes';
  try {
    expect((await failure({ trialMs: 6_000 })).message).toMatch(
      /own\.mjs: the model is not built within 6 s\. If the module is only slow, --quick/,
    );
    const { warnings, structures } = await checkRun(run, { trialMs: 3_000, isQuick: true });
    expect(warnings).toEqual([expect.stringMatching(/^not all models and terms were tried: after 3 s the trial was still at models\.own/)]);
    expect(structures).not.toHaveProperty('own');
  } finally {
    delete process.env.STILLHOUSE_TEST_HANG;
  }
});

test('the code of a module has changed, or a stage was added: their steps are tried', async () => {
  writeModule('// The same model.');
  expect((await checkRun(run)).tried).toEqual(['base']);
  expect((await checkRun(run, { isQuick: true })).tried).toEqual([]);
  writeModule('');
  expect((await checkRun(run)).tried).toEqual([]);
  expect((await checkRun(run, { set: added('model: small') })).tried).toEqual(['base', 'added']);
});

test('a model with another structure is not tried: the coordinator refuses it with both structures', async () => {
  const before = (await checkRun(run)).structures;
  writeModule('', 17);
  const { structures, tried } = await checkRun(run);
  expect(structures.own?.digest).not.toBe(before.own?.digest);
  expect(structures.small).toEqual(before.small);
  expect(tried).toEqual([]);
});

test('an added stage begins with a model of other layers: refused with its place', async () => {
  const error = await failure({ set: added('model: small, init: base') });
  expect(error.message).toMatch(/: stages\.added\.init: own has other layers or other sizes of weights than the model small\. A stage can/);
  expect(error.code).toBe('model.invalid');
});

test('the model from outside is that of the folder, when its source has gone', async () => {
  await openEngine('cpu');
  const model = await buildModel({ name: 'cnn-student', options: {} }, { inputShape: [28, 28, 1], classes: 10, seed: 5 });
  const facts = { run: 'r', stage: 's', peer: 'model', round: 3, epoch: 1, accuracy: 0.5, mean: [0.286], std: [0.353] };
  const source = join(folder, 'source');
  mkdirSync(source);
  const saved = exportModel({ topology: topologyOf(model), parameters: readArena(model, arenaSchemaOf(model)), file: '/run' }, facts);
  for (const { name, bytes } of saved) writeFileSync(join(source, name), bytes);
  disposeModel(model);
  const data = { height: 28, width: 28, channels: 1, classes: 10, normalise: { mean: [0.286], std: [0.353] } };
  const { content } = await openGivenModel('big', { file: source }, data);
  const store = await openCheckpointStore(join(run, 'checkpoints'));
  expect(await store.put(content)).toMatchObject({ stored: true });
  await begin(`big: { kind: load, from: { file: ./source }, test: few }`);
  rmSync(source, { recursive: true });
  const { given, tried } = await checkRun(run, { set: added('model: small, init: big') });
  expect({ given, tried }).toEqual({ given: null, tried: ['added'] });
  expect((await failure({ set: added('model: own, init: big') })).message).toMatch(/: stages\.added\.init: .*has other layers/);
});

test('students that divide a batch of a loss over it are warned of, until that stage is done', async () => {
  const [batch, terms] = ['batch: { global: 64 }', 'terms: [{ loss: rkd, taps: [[logits, logits]] }]'];
  const taught = `${stage('model: small').replace('kind: train', 'kind: distil, teacher: base').replace('batch: 64', batch).replace(/ }$/, `, loss: { ${terms} } }`)}`;
  await begin(`base: ${stage('model: small')}\n  taught: ${taught}\nworkers: { students: 2 }`);
  const warning = expect.stringMatching(/^taught: the loss rkd compares the images of a batch, and each of 2 students compares its own 32/);
  expect((await checkRun(run)).warnings).toEqual([warning]);
  const done = (name: string) => writeJournalLine({ type: 'stage-done', term: 1, result: { stage: name, checkpoint: null } });
  writeFileSync(join(run, 'journal'), done('base') + done('taught'));
  expect((await checkRun(run)).warnings).toEqual([]);
});
