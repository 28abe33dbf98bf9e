import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { exportModel } from '../../../src/checkpoint/model-export.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, readArena, writeArena } from '../../../src/nn/weights.js';

/** Stock tfjs in a process of its own: none of this package's code is there to help. */
const STOCK = `
import { readFileSync } from 'node:fs';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
const [folder, shape] = process.argv.slice(1);
const { modelTopology, weightsManifest, userDefinedMetadata } = JSON.parse(readFileSync(folder + '/model.json', 'utf8'));
const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
const file = readFileSync(folder + '/' + weightsManifest[0].paths[0]);
const weightData = new Uint8Array(file).buffer;
const model = await loadLayersModel({ load: async () => ({ modelTopology, weightSpecs, weightData, userDefinedMetadata }) });
const size = JSON.parse(shape).reduce((a, b) => a * b, 1);
const images = tf.tensor(Float32Array.from({ length: size }, (_, i) => Math.sin(i)), JSON.parse(shape));
if (model.getUserDefinedMetadata().stillhouse.output !== 'logits') throw new Error('the facts are lost');
process.stdout.write(JSON.stringify([...model.predict(images).dataSync()]));
`;

/** The files of a model, as they are made from its checkpoint. */
const filesOf = (model: LayersModel) => {
  const facts = { run: 'r', stage: 's', peer: 'model', round: 3, epoch: 1, accuracy: 0.5, mean: [0], std: [1] };
  return exportModel({ topology: topologyOf(model), parameters: readArena(model, arenaSchemaOf(model)), file: '/run' }, facts);
};

beforeAll(async () => {
  await openEngine('cpu');
});

const user = fileURLToPath(new URL('module/good.mjs', import.meta.url));

test.each([
  ['cnn-student', { name: 'cnn-student', options: {} }, [8, 8, 2]],
  ['resnet8, shortcut A', { name: 'resnet8', options: {} }, [8, 8, 3]],
  ['resnet8, shortcut B', { name: 'resnet8', options: { shortcut: 'B' } }, [8, 8, 3]],
  ['wrn-16-2', { name: 'wrn-16-2', options: {} }, [8, 8, 3]],
  ['vgg8', { name: 'vgg8', options: {} }, [8, 8, 3]],
  ['resnet18', { name: 'resnet18', options: {} }, [32, 32, 3]],
  ['resnet50', { name: 'resnet50', options: {} }, [32, 32, 3]],
  ['mobilenetv2', { name: 'mobilenetv2', options: {} }, [8, 8, 3]],
  ['shufflenetv1', { name: 'shufflenetv1', options: {} }, [8, 8, 3]],
  ['shufflenetv2', { name: 'shufflenetv2', options: {} }, [8, 8, 3]],
  ['densenet-bc', { name: 'densenet-bc', options: {} }, [8, 8, 3]],
  ['mobilenetv1', { name: 'mobilenetv1', options: {} }, [32, 32, 3]],
  ["a user's module", { module: user, options: { filters: 2 } }, [8, 8, 1]],
] as const)('%s opens in stock tfjs and predicts the same, to the bit', async (_, spec, inputShape) => {
  const model = await buildModel(spec, { inputShape, classes: 3, seed: 5 });
  const schema = arenaSchemaOf(model);
  // As after training: BatchNorm's statistics are not those of the start. The kernels stay, or the outputs of a deep model overflow.
  const arena = readArena(model, schema);
  for (const { kind, offset, size } of schema.entries) {
    if (kind === 'kernel') continue;
    for (let i = offset; i < offset + size; i++) arena[i] = (arena[i] as number) + 0.1 * (1 + Math.sin(i));
  }
  writeArena(model, schema, arena);
  const shape = [2, ...inputShape];
  const images = tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
    shape,
  );
  const expected = tf.tidy(() => [...(model.predict(images) as tf.Tensor).dataSync()]);

  const folder = await mkdtemp(join(tmpdir(), 'stillhouse export '));
  for (const { name, bytes } of filesOf(model)) await writeFile(join(folder, name), bytes);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', STOCK, '--', folder, JSON.stringify(shape)],
    { cwd: fileURLToPath(new URL('../../../', import.meta.url)) },
  );
  expect(JSON.parse(stdout)).toEqual(expected);
  expect(expected.every(Number.isFinite)).toBe(true);
  await rm(folder, { recursive: true });
  images.dispose();
  model.dispose();
});

test('equal models give equal bytes, other parameters other ones; model.json names the weights file', async () => {
  const context = { inputShape: [8, 8, 1], classes: 3 } as const;
  const models = await Promise.all([1, 1, 2].map((seed) => buildModel({ name: 'cnn-student', options: {} }, { ...context, seed })));
  const [one, same, other] = models.map(filesOf);
  expect(same).toEqual(one);
  expect(other?.[0]).not.toEqual(one?.[0]);
  expect(one?.map(({ name }) => name)).toEqual(['weights.bin', 'model.json']);
  const json = JSON.parse(new TextDecoder().decode(one?.[1]?.bytes)) as { weightsManifest: { paths: string[] }[]; format: string };
  expect(json.format).toBe('layers-model');
  expect(json.weightsManifest[0]?.paths).toEqual(['weights.bin']);
  expect(one?.[0]?.bytes.length).toBe(4 * arenaSchemaOf(models[0]!).size);
  for (const model of models) model.dispose();
});
