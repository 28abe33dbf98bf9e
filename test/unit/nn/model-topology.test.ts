/** A model from its topology and its parameters alone: the same predictions, schema and metadata, and hostile topologies refused by name. */

import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { openDescribedModel, topologyOf } from '../../../src/nn/model-topology.js';
import { arenaSchemaOf, disposeModel, readArena, writeArena } from '../../../src/nn/weights.js';
import { readTopology, TOPOLOGY_BYTES_MAX } from '../../../src/tensor/topology.js';

beforeAll(async () => {
  await openEngine('cpu');
});

const FILE = '/runs/r/checkpoints/base/3/model';
const user = fileURLToPath(new URL('module/good.mjs', import.meta.url));

/** A model with a frozen layer, one that is used twice, and the user's metadata. */
function unusual(): layers.LayersModel {
  const image = layers.input({ shape: [6, 6, 1] });
  const twice = layers.layers.conv2d({ filters: 1, kernelSize: 3, padding: 'same', name: 'twice' });
  let x = twice.apply(twice.apply(image));
  x = layers.layers.batchNormalization({ trainable: false, name: 'frozen' }).apply(x);
  x = layers.layers.flatten({ name: 'flat' }).apply(x);
  const model = layers.model({
    inputs: image,
    outputs: layers.layers.dense({ units: 3, name: 'logits' }).apply(x) as layers.SymbolicTensor,
  });
  model.setUserDefinedMetadata({ author: 'somebody', 'a key': { deep: [1, 'two', true] } });
  return model;
}

const MODELS: readonly (readonly [string, readonly number[], () => Promise<layers.LayersModel>])[] = [
  ...(['cnn-student', 'cnn-teacher', 'resnet8', 'resnet20'] as const).map(
    (name) => [name, [8, 8, 3], () => buildModel({ name, options: {} }, { inputShape: [8, 8, 3], classes: 3, seed: 5 })] as const,
  ),
  [
    'resnet8, shortcut B',
    [8, 8, 3],
    () => buildModel({ name: 'resnet8', options: { shortcut: 'B' } }, { inputShape: [8, 8, 3], classes: 3, seed: 5 }),
  ],
  [
    "a user's module without names, with a model in it",
    [8, 8, 1],
    () => buildModel({ module: user, options: { filters: 2 } }, { inputShape: [8, 8, 1], classes: 3, seed: 5 }),
  ],
  ['frozen and shared layers, and metadata', [6, 6, 1], async () => unusual()],
];

const predict = (model: layers.LayersModel, shape: readonly number[]): number[] =>
  tf.tidy(() => {
    const images = Float32Array.from({ length: 2 * shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
    return [...(model.predict(tf.tensor(images, [2, ...shape])) as tf.Tensor).dataSync()];
  });

describe.each(MODELS)('%s', (_, shape, make) => {
  test('opens with the same predictions, to the bit, and the same schema and metadata', async () => {
    const model = await make();
    const schema = arenaSchemaOf(model);
    // As after training: BatchNorm's statistics are not those of the start.
    const parameters = readArena(model, schema).map((x, i) => x + 0.1 * (1 + Math.sin(i)));
    writeArena(model, schema, parameters);
    const opened = await openDescribedModel({ topology: topologyOf(model), parameters, file: FILE });
    expect(predict(opened, shape)).toEqual(predict(model, shape));
    expect(arenaSchemaOf(opened)).toEqual(schema);
    expect(opened.getUserDefinedMetadata()).toEqual(model.getUserDefinedMetadata());
    expect(topologyOf(opened)).toEqual(topologyOf(model));
    disposeModel(opened);
    disposeModel(model);
  });

  test('is described as tfjs itself saves it', async () => {
    const model = await make();
    let saved: tf.io.ModelArtifacts | null = null;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
      }),
    );
    const { weightData, weightSpecs, ...rest } = saved as unknown as tf.io.ModelArtifacts;
    const weightsManifest = [{ paths: ['parameters.bin'], weights: weightSpecs }];
    expect(readTopology(topologyOf(model))).toEqual(JSON.parse(JSON.stringify({ ...rest, weightsManifest })));
    const arena = readArena(model, arenaSchemaOf(model));
    expect(new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData))).toEqual(new Uint8Array(arena.buffer));
    disposeModel(model);
  });
});

describe('refused, with the file named and no tensor left behind', () => {
  const spell = (content: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(content));
  const size = 9 + 1 + 4 + 36 * 3 + 3;
  const text = (): string => {
    const model = unusual();
    const written = new TextDecoder().decode(topologyOf(model));
    disposeModel(model);
    return written;
  };
  const good = (): Record<string, unknown> => JSON.parse(text()) as Record<string, unknown>;

  test.each<[string, () => Uint8Array, RegExp]>([
    ['no JSON', () => new TextEncoder().encode('{"format":'), /is damaged: it is not JSON/],
    ['no UTF-8', () => Uint8Array.of(0xff, 0xfe), /is damaged: it is not JSON/],
    ['too long', () => new Uint8Array(TOPOLOGY_BYTES_MAX + 1), /is damaged: it has 8388609 bytes; at most 8388608 are allowed/],
    ['nested too deep', () => new TextEncoder().encode(`${'[{"a":'.repeat(70)}`), /is damaged: it is nested more than 128 levels deep/],
    ['another format', () => spell({ ...good(), format: 'graph-model' }), /is damaged: format/],
    ['an unknown key', () => spell({ ...good(), code: 'x' }), /is damaged: /],
    [
      'a weight of half a row',
      () => spell({ ...good(), weightsManifest: [manifestOf([1.5])] }),
      /is damaged: weightsManifest.0.weights.0.shape.0/,
    ],
    ['a weight of a huge size', () => spell({ ...good(), weightsManifest: [manifestOf([2 ** 53, 4])] }), /is damaged: weightsManifest/],
    [
      'another number of parameters',
      () => spell({ ...good(), weightsManifest: [manifestOf([5])] }),
      /it has 5 parameters, and 125 are there/,
    ],
    [
      'other weights of the same size',
      () => spell({ ...good(), weightsManifest: [manifestOf([size])] }),
      /weight 1 of its layers is twice\/kernel/,
    ],
    ['no layers', () => spell({ ...good(), modelTopology: {} }), /cannot be opened: /],
    ['a layer that tfjs does not have', () => unknownLayer(), /Unknown layer: Trojan/],
  ])('%s', async (_, make, message) => {
    const topology = make();
    const before = tf.memory().numTensors;
    const opening = openDescribedModel({ topology, parameters: new Float32Array(size), file: FILE });
    await expect(opening).rejects.toMatchObject({
      code: 'model.invalid',
      message: expect.stringMatching(message),
      details: { file: FILE },
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  const manifestOf = (shape: readonly number[]) => ({ paths: ['parameters.bin'], weights: [{ name: 'w', shape, dtype: 'float32' }] });
  const unknownLayer = (): Uint8Array => new TextEncoder().encode(text().replace('"Flatten"', '"Trojan"'));
});

test('a bracket in a name is not nesting', () => {
  const model = unusual();
  model.setUserDefinedMetadata({ note: `${'[{'.repeat(500)}\\"` });
  expect(readTopology(topologyOf(model))).toMatchObject({ userDefinedMetadata: model.getUserDefinedMetadata() });
  disposeModel(model);
});
