/** The summary of a model: each layer's shape, parameters and cost, the totals as published, and which layers are good to tap. */

import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { summaryOf } from '../../../src/nn/model-summary.js';
import type { ModelName } from '../../../src/nn/names.js';
import { disposeModel } from '../../../src/nn/weights.js';

beforeAll(() => openEngine('cpu'));
let made: LayersModel | null = null;
afterEach(() => {
  if (made !== null) disposeModel(made);
  made = null;
});

async function named(name: ModelName, size = 32, channels = 3): Promise<LayersModel> {
  made = await buildModel({ name, options: {} }, { inputShape: [size, size, channels], classes: 10, seed: 1 });
  return made;
}
const own = (model: LayersModel): LayersModel => {
  made = model;
  return model;
};
const apply = (layer: { apply(x: SymbolicTensor): unknown }, x: SymbolicTensor) => layer.apply(x) as SymbolicTensor;
const convolution = (name: string, filters = 4) => layers.conv2d({ name, filters, kernelSize: 3, padding: 'same' });
const dense = (name: string, units: number) => layers.dense({ name, units });

test('the rows of a small network, by hand', async () => {
  const { layers: rows, ...totals } = summaryOf(await named('cnn-student', 28, 1));
  expect(rows.map(({ name, label, shape, parameters, cost }) => [name, label, shape, parameters, cost?.multiplyAdds])).toEqual([
    ['image', 'input', [28, 28, 1], 0, 0],
    ['pad1', 'pad', [30, 30, 1], 0, 0],
    ['conv1', 'conv 3x3 /2, relu', [14, 14, 4], 40, 196 * 36],
    ['pad2', 'pad', [16, 16, 4], 0, 0],
    ['conv2', 'conv 3x3 /2, relu', [7, 7, 8], 296, 49 * 288],
    ['flatten', 'flatten', [392], 0, 0],
    ['logits', 'dense', [10], 3930, 3920],
  ]);
  const multiplyAdds = 196 * 36 + 49 * 288 + 3920;
  // Two for each multiply-add; a bias and a ReLU for each output of a convolution, and a bias for each logit.
  const flops = 2 * multiplyAdds + 2 * (196 * 4 + 392) + 10;
  expect(totals).toEqual({
    ...{ parameters: 4266, trainable: 4266, cost: { multiplyAdds, flops } },
    taps: { maps: ['conv1', 'conv2'], beforeClassifier: 'flatten' },
  });
});

describe('totals as published', () => {
  // Multiply-adds of convolutions and the classifier, as the literature on pruning counts them; parameters without BatchNorm's statistics.
  test.each<[ModelName, number, number]>([
    ['resnet20', 40.55e6, 269_722],
    ['resnet56', 125.49e6, 853_018],
  ])('%s', async (name, multiplyAdds, parameters) => {
    const summary = summaryOf(await named(name));
    expect(summary.cost.multiplyAdds / multiplyAdds).toBeCloseTo(1, 2);
    expect(summary.trainable).toBe(parameters);
    expect(summary.parameters).toBeGreaterThan(summary.trainable);
  });
});

describe('layers to tap', () => {
  test.each<[ModelName, readonly string[], string]>([
    ['cnn-teacher', ['conv1', 'conv2', 'pool2'], 'hidden'],
    ['resnet20', ['stage1.block3.relu2', 'stage2.block3.relu2', 'stage3.block3.relu2'], 'pool'],
    ['resnet8x4', ['stage1.block1.relu2', 'stage2.block1.relu2', 'stage3.block1.relu2'], 'pool'],
    ['vgg8', ['group1.relu1', 'group2.relu1', 'group3.relu1', 'group5.relu1'], 'pool'],
    // The next block's layers have the same resolution until its convolution halves the picture.
    ['wrn-16-2', ['stage1.block2.add', 'stage2.block2.add', 'last.relu'], 'pool'],
    ['mobilenetv2', ['stage2.block2.add', 'stage3.block3.add', 'stage5.block3.add', 'last.relu'], 'pool'],
    ['shufflenetv1', ['stem.relu', 'stage1.block4.relu3', 'stage2.block8.relu3', 'stage3.block4.relu3'], 'pool'],
    ['shufflenetv2', ['stem.relu', 'stage1.block4.shuffle', 'stage2.block8.shuffle', 'last.relu'], 'pool'],
    ['densenet-bc', ['stage1.block16.join', 'stage2.block16.join', 'last.relu'], 'pool'],
  ])('of %s: the ends of its blocks', async (name, maps, beforeClassifier) => {
    expect(summaryOf(await named(name)).taps).toEqual({ maps, beforeClassifier });
  });

  test('nothing inside a branch, no padding, no dropout, no layer that is called twice, and nothing after the classifier', () => {
    const image = input({ shape: [8, 8, 3], name: 'image' });
    const trunk = apply(convolution('trunk'), image);
    const branch = apply(convolution('branch'), trunk);
    const sum = layers.add({ name: 'sum' }).apply([trunk, branch]) as SymbolicTensor;
    const shared = convolution('shared');
    const twice = apply(shared, apply(shared, sum));
    const small = apply(layers.maxPooling2d({ name: 'small', poolSize: 2 }), twice);
    const padded = apply(layers.zeroPadding2d({ name: 'padded', padding: 1 }), small);
    const flat = apply(layers.flatten({ name: 'flat' }), padded);
    const dropped = apply(layers.dropout({ name: 'dropped', rate: 0.5 }), flat);
    const logits = apply(dense('logits', 4), dropped);
    const model = own(makeModel({ inputs: image, outputs: apply(layers.softmax({ name: 'softmax' }), logits) }));
    const { taps, layers: rows } = summaryOf(model);
    expect(taps).toEqual({ maps: ['sum', 'small'], beforeClassifier: 'flat' });
    const row = rows.find(({ name }) => name === 'shared');
    // Both calls cost, and the weights are there once.
    expect(row).toMatchObject({ shape: null, parameters: 148, cost: { multiplyAdds: 2 * 64 * 144 } });
  });
});

test('a model inside the model is one row, with what its layers cost together', () => {
  const inner = input({ shape: [8, 8, 3], name: 'inner-image' });
  const nested = makeModel({ name: 'nested', inputs: inner, outputs: apply(convolution('inside'), inner) });
  const image = input({ shape: [8, 8, 3], name: 'image' });
  const flat = apply(layers.flatten({ name: 'flat' }), apply(nested, image));
  const summary = summaryOf(own(makeModel({ inputs: image, outputs: apply(dense('logits', 4), flat) })));
  expect(summary.layers[1]).toMatchObject({
    name: 'nested',
    label: 'model',
    shape: [8, 8, 4],
    parameters: 112,
    cost: { multiplyAdds: 64 * 108 },
  });
  expect(summary.taps).toEqual({ maps: ['nested'], beforeClassifier: 'flat' });
});

test('a sequential model, layers without names, a frozen layer, and a kind without a rule', () => {
  const chain = sequential({
    layers: [
      layers.conv2d({ inputShape: [6, 6, 2], filters: 3, kernelSize: 3, trainable: false }),
      layers.layerNormalization({}),
      layers.flatten(),
      layers.dense({ units: 5 }),
    ],
  });
  const { layers: rows, ...totals } = summaryOf(own(chain));
  expect(rows.map(({ name }) => name)).toEqual(['conv2d-0', 'layernormalization-1', 'flatten-2', 'dense-3']);
  expect(rows.map(({ cost }) => cost?.multiplyAdds ?? null)).toEqual([16 * 54, null, 0, 240]);
  expect(totals).toMatchObject({ parameters: 57 + 6 + 245, trainable: 6 + 245, cost: { multiplyAdds: 16 * 54 + 240 } });
});

test('where the model fixes no size, the cost is not known', () => {
  const image = input({ shape: [null, null, 3], name: 'image' });
  const pooled = apply(layers.globalAveragePooling2d({ name: 'pool' }), apply(convolution('wide'), image));
  const { layers: rows, taps } = summaryOf(own(makeModel({ inputs: image, outputs: apply(dense('logits', 4), pooled) })));
  expect(rows.map(({ shape, cost }) => [shape, cost?.multiplyAdds ?? null])).toEqual([
    [[null, null, 3], null],
    [[null, null, 4], null],
    [[4], null],
    [[4], 16],
  ]);
  expect(taps).toEqual({ maps: [], beforeClassifier: 'pool' });
});
