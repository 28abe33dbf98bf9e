/** Faults of the user's own modules and data, while a run is under way: no crash, the user's own error, and what is kept. */

import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { writeIdx } from '../support/data-files.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

const OPTIMIZER = { name: 'sgd', rate: 0.01 };
const STAGE = { kind: 'train', model: 'small', on: 'train', test: 'test', batch: 8, every: 1, optimizer: OPTIMIZER, checkpointEvery: 1000 };

const MODEL = `export function build({ inputShape, classes, seed }, { layers: tf }) {
  const image = tf.input({ shape: inputShape });
  const kernelInitializer = tf.initializers.heNormal({ seed });
  return tf.model({ inputs: image, outputs: tf.layers.dense({ units: classes, kernelInitializer }).apply(tf.layers.flatten().apply(image)) });
}
`;

function recipeOf(stages: object, small: object = { name: 'cnn-student' }): string {
  return room.recipe({
    name: 'own',
    data: {
      format: 'idx',
      path: join(room.folder, 'data'),
      normalise: { mean: [0.5], std: [0.25] },
      splits: { train: { part: 'train' }, test: { part: 'test' } },
    },
    models: { small },
    stages,
    workers: { students: 2, teachers: 1, engine: 'wasm', restarts: 3 },
  });
}

test('a loss that throws after a while ends the run with its own words, file and line, and no crash', async () => {
  await writeIdx(join(room.folder, 'data'));
  const module = join(room.folder, 'own-loss.mjs');
  writeFileSync(
    module,
    `let calls = 0;
export const declaration = {};
export function sum({ student: [own], other: [teacher] }, knobs, { core: tf }) {
  if (++calls > 6) throw new Error('the margin is not known');
  return { sum: tf.sum(tf.squaredDifference(own, teacher)), count: own.shape[0] };
}
`,
  );
  const student = { ...STAGE, kind: 'distil', teacher: 'base', epochs: 4, loss: { terms: [{ module, weight: 1e-6 }] } };
  const run = room.start('run', recipeOf({ base: { ...STAGE, epochs: 1 }, student }), '--out', room.runs);
  expect(await run.exit()).toBe(2);
  expect(run.stderr).toMatch(/error \(loss\.invalid\): worker student-\d: .*own-loss\.mjs:4:\d+: .*the margin is not known/);
  expect(run.stderr).not.toContain('starting it again');
  // The model that was trained with this loss is kept: it is not trained on with another.
  expect(run.stderr).not.toContain('to continue the run');
  const [name = ''] = readdirSync(room.runs);
  writeFileSync(module, readFileSync(module, 'utf8').replace('> 6', '> 600'));
  const resumed = room.start('resume', join(room.runs, name));
  expect(await resumed.exit()).toBe(2);
  expect(resumed.stderr).toMatch(/the content of the module of stages\.student\.loss\.terms\[0\] was [0-9a-f]{12}, and is [0-9a-f]{12}/);
  const copy = /--set stages\.student\.loss\.terms\.0\.module="(.*)"/.exec(resumed.stderr)?.[1];
  expect(readFileSync(present(copy, 'the copy that the run began with'), 'utf8')).toContain('++calls > 6)');
});

test('data that is damaged under way: committed work is saved first, and the run goes on once the file is mended, also when all was moved and the model was mended too', async () => {
  await writeIdx(join(room.folder, 'data'));
  const module = join(room.folder, 'own.mjs');
  writeFileSync(module, MODEL);
  const recipe = recipeOf({ base: { ...STAGE, epochs: 30, evaluateEvery: 30 } }, { module });
  const run = room.start('run', recipe, '--out', room.runs, '--json', '--set', 'workers.students=1');
  const { run: folder } = await run.said('run-started');
  const labels = join(room.folder, 'data', 't10k-labels-idx1-ubyte');
  const whole = readFileSync(labels);
  writeFileSync(
    labels,
    Uint8Array.from(whole, (byte, i) => (i === whole.length - 1 ? 255 : byte)),
  );
  expect(await run.exit()).toBe(2);
  expect(run.stderr).toContain('to continue the run when that is mended: npx stillhouse resume');
  const checkpoints = await journalOf(join(room.runs, folder), 'checkpoint');
  expect(present(checkpoints.at(-1), 'a checkpoint').round).toBeGreaterThan(0);
  writeFileSync(labels, whole);
  writeFileSync(module, `${MODEL}// Mended.\n`);
  const moved = join(room.folder, 'moved');
  mkdirSync(moved);
  for (const name of ['data', 'own.mjs', 'runs']) renameSync(join(room.folder, name), join(moved, name));
  const resumed = room.start('resume', join(moved, 'runs', folder), '--json');
  expect(await resumed.exit()).toBe(0);
  const places = resumed.linesOf('basis-changed')[0]?.changes.map((change) => change.split(' was ')[0]);
  expect(places?.sort()).toEqual(['data.path', 'models.small.module', 'the content of the module of models.small', "the run's folder"]);
  expect(readdirSync(join(moved, 'runs', folder, 'modules'))).toHaveLength(2);
});

test('a teacher that has learned nothing does not teach; with --force the run goes on, and says so', async () => {
  const recipe = room.recipe(smallRecipe({ images: 64, students: 1, studentEpochs: 1 }));
  const run = room.start('run', recipe, '--out', room.runs, '--set', 'stages.teacher.optimizer.rate=1.0e-9');
  expect(await run.exit()).toBe(1);
  expect(run.stderr).toMatch(
    /error \(teacher\.atChance\): stage student is not begun: its teacher teacher is no better than guessing \(\S+ % right/,
  );
  const folder = present(/^run folder: (.+)$/m.exec(run.stderr)?.[1], 'the folder of the run');
  expect(run.stderr).toMatch(/^to continue the run all the same: npx stillhouse resume .+ --force$/m);
  const resumed = room.start('resume', folder, '--force');
  expect(await resumed.exit()).toBe(0);
  expect(resumed.stderr).toMatch(/student: warning: its teacher teacher is no better than guessing/);
  expect(await journalOf(folder, 'stage-done')).toHaveLength(2);
});
