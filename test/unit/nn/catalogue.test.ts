import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { MODELS } from '../../../src/nn/catalogue.js';
import type { BuildContext } from '../../../src/nn/model-family.js';
import { MODEL_NAMES } from '../../../src/nn/names.js';
import { arenaSchemaOf, leafLayers, readArena } from '../../../src/nn/weights.js';

const FASHION = { inputShape: [28, 28, 1], classes: 10, seed: 1 } as const;
const CIFAR = { inputShape: [32, 32, 3], classes: 10, seed: 1 } as const;

async function build(
  name: string,
  options: BuildContext['options'] = {},
  context: Omit<BuildContext, 'options'> = CIFAR,
): Promise<LayersModel> {
  return buildModel({ name, options: { ...options } }, context);
}

function trainableOf(model: LayersModel): number {
  return arenaSchemaOf(model)
    .entries.filter(({ trainable }) => trainable)
    .reduce((sum, { size }) => sum + size, 0);
}

function entryOf(model: LayersModel, name: string): Float32Array {
  const schema = arenaSchemaOf(model);
  const entry = schema.entries.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new Error(`no entry ${name} among ${schema.entries.map((e) => e.name).join(', ')}`);
  return readArena(model, schema).subarray(entry.offset, entry.offset + entry.size);
}

function spread(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

beforeAll(async () => {
  await openEngine('cpu');
});

test('every name has its family', () => {
  expect(Object.keys(MODELS)).toEqual([...MODEL_NAMES]);
});

describe('parameter counts', () => {
  // ResNets: the counts that go with He et al. 2015, table 6 (0.27M, 0.46M, 0.66M, 0.85M, 1.7M), BatchNorm's scale and
  // shift included; shortcut B adds 512 + 2,048 for the two projections and 192 for their BatchNorms.
  test.each([
    ['resnet8', {}, 75_290],
    ['resnet14', {}, 172_506],
    ['resnet20', {}, 269_722],
    ['resnet32', {}, 464_154],
    ['resnet44', {}, 658_586],
    ['resnet56', {}, 853_018],
    ['resnet110', {}, 1_727_962],
    ['resnet20', { shortcut: 'B' }, 272_474],
    ['resnet56', { shortcut: 'B' }, 855_770],
  ])('%s %j: %i', async (name, options, expected) => {
    const model = await build(name, options);
    expect(trainableOf(model)).toBe(expected);
    model.dispose();
  });

  test.each([
    ['cnn-teacher', {}, 52_138],
    ['cnn-student', {}, 4_266],
    ['cnn', { channels: '8,16', down: 'pool', hidden: 64 }, 52_138],
    ['cnn', { channels: '4,8', down: 'stride', hidden: 0 }, 4_266],
    ['cnn', { channels: '2', hidden: 0 }, 2 * 9 + 2 + 2 * 14 * 14 * 10 + 10],
  ])('%s %j: %i', async (name, options, expected) => {
    const model = await build(name, options, FASHION);
    expect(trainableOf(model)).toBe(expected);
    expect(arenaSchemaOf(model).size).toBe(expected);
    model.dispose();
  });

  test('100 classes change the last layer only', async () => {
    const model = await build('resnet8', {}, { ...CIFAR, classes: 100 });
    expect(trainableOf(model)).toBe(75_290 + 65 * 90);
    expect(model.outputs[0]?.shape).toEqual([null, 100]);
    model.dispose();
  });
});

describe('initial parameters', () => {
  test.each(['cnn-student', 'resnet8'])('%s: a function of the seed', async (name) => {
    const models = await Promise.all([1, 1, 2].map((seed) => build(name, {}, { ...CIFAR, seed })));
    const [one, again, other] = models.map((model) => readArena(model, arenaSchemaOf(model)));
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    for (const model of models) model.dispose();
  });

  test('two layers of one shape start differently', async () => {
    const model = await build('resnet8');
    expect(entryOf(model, 'stage1.block1.conv1/kernel')).not.toEqual(entryOf(model, 'stage1.block1.conv2/kernel'));
    model.dispose();
  });

  test('ResNet: normal with variance 2 / fan out; the classifier uniform within 1 / sqrt(fan in); BatchNorm 1, 0, 0, 1', async () => {
    const model = await build('resnet8');
    const kernel = entryOf(model, 'stage3.block1.conv2/kernel');
    expect(spread(kernel)).toBeCloseTo(Math.sqrt(2 / (9 * 64)), 3);
    // Normal, not uniform: some lie beyond 3 standard deviations.
    expect(kernel.some((x) => Math.abs(x) > 3 * Math.sqrt(2 / (9 * 64)))).toBe(true);
    const down = entryOf(model, 'stage2.block1.conv1/kernel');
    expect(spread(down) / Math.sqrt(2 / (9 * 32))).toBeCloseTo(1, 1);
    const logits = entryOf(model, 'logits/kernel');
    expect(Math.max(...logits)).toBeLessThanOrEqual(1 / 8);
    expect(spread(logits)).toBeCloseTo(1 / 8 / Math.sqrt(3), 2);
    expect(entryOf(model, 'logits/bias').every((x) => x !== 0 && Math.abs(x) <= 1 / 8)).toBe(true);
    const constants = ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((weight) => [
      ...new Set(entryOf(model, `stem.norm/${weight}`)),
    ]);
    expect(constants).toEqual([[1], [0], [0], [1]]);
    model.dispose();
  });

  test("small CNN: PyTorch's default, kernel and bias uniform within 1 / sqrt(fan in)", async () => {
    const model = await build('cnn-teacher', {}, FASHION);
    const bound = 1 / Math.sqrt(8 * 9);
    for (const name of ['conv2/kernel', 'conv2/bias']) {
      expect(Math.max(...entryOf(model, name).map(Math.abs))).toBeLessThanOrEqual(bound);
    }
    expect(spread(entryOf(model, 'conv2/kernel'))).toBeCloseTo(bound / Math.sqrt(3), 2);
    expect(entryOf(model, 'conv2/bias').every((x) => x !== 0)).toBe(true);
    model.dispose();
  });
});

describe('layers', () => {
  test("BatchNorm has PyTorch's epsilon and momentum, convolutions before it no bias", async () => {
    const model = await build('resnet8', { shortcut: 'B' });
    const configs = leafLayers(model).map((layer) => ({ type: layer.getClassName(), ...layer.getConfig() }) as Record<string, unknown>);
    const norms = configs.filter(({ type }) => type === 'BatchNormalization');
    expect(norms.length).toBe(9);
    expect(norms.every(({ epsilon, momentum }) => epsilon === 1e-5 && momentum === 0.9)).toBe(true);
    expect(configs.filter(({ type }) => type === 'Conv2D').every(({ useBias }) => useBias === false)).toBe(true);
    model.dispose();
  });

  test('logits, not probabilities: the last layer has no activation', async () => {
    for (const name of ['cnn-teacher', 'cnn-student', 'resnet8']) {
      const model = await build(name);
      expect(model.layers.at(-1)?.getConfig()).toMatchObject({ name: 'logits', activation: 'linear' });
      model.dispose();
    }
  });
});
