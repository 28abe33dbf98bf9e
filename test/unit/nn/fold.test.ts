import * as tf from '@tensorflow/tfjs-core';
import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { overrideBatchNorms } from '../../../src/nn/batch-norm.js';
import { buildModel } from '../../../src/nn/build.js';
import { foldBatchNorms } from '../../../src/nn/fold.js';
import { knowledgeModel } from '../../../src/nn/knowledge-model.js';
import { MODEL_NAMES, RESNET_DEPTHS } from '../../../src/nn/names.js';
import { leafLayers } from '../../../src/nn/weights.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';

const SHAPE = { inputShape: [8, 8, 3], classes: 5 } as const;
const random = new Prng(5, 1);

function noise(shape: readonly number[]): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => random.normal()),
    [...shape],
  );
}

/** Scales and shifts at random, and the running statistics of a batch: as a trained model has them, nothing grows with depth. */
function makeTrained(model: LayersModel, shape: readonly number[]): void {
  const norms = leafLayers(model).filter((layer) => layer.getClassName() === 'BatchNormalization');
  for (const norm of norms) {
    (norm as unknown as { momentum: number }).momentum = 0;
    for (const weight of norm.trainableWeights) {
      const value = tf.tidy(() => tf.add(tf.mul(noise(weight.shape as number[]), 0.2), weight.read()));
      weight.write(value);
      value.dispose();
    }
  }
  // That rule knows the last axis only, the stock one needs a scale and a shift.
  const restore = norms.some((norm) => norm.getConfig().axis === 1) ? () => {} : overrideBatchNorms(model);
  tf.tidy(() => void model.apply(noise([8, ...shape]), { training: true }));
  restore();
}

function outputOf(model: LayersModel, images: tf.Tensor): Float32Array {
  return tf.tidy(() => (model.apply(images) as tf.Tensor).dataSync<'float32'>().slice());
}

/** The norms left in the folded model. Fails where its outputs differ by more than 1e-4 of the largest. */
function expectSameFunction(source: LayersModel, shape: readonly number[]): string[] {
  const images = noise([3, ...shape]);
  const folded = foldBatchNorms(source);
  if (folded === null) throw new Error('nothing was folded');
  const expected = outputOf(source, images);
  const found = outputOf(folded.model, images);
  const largest = Math.max(1, ...expected.map(Math.abs));
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
  expect(Math.max(...expected.map((value, i) => Math.abs(value - (found[i] as number)))) / largest).toBeLessThan(1e-4);
  const left = leafLayers(folded.model).filter((layer) => layer.getClassName() === 'BatchNormalization');
  folded.dispose();
  images.dispose();
  return left.map(({ name }) => name);
}

interface Folding {
  readonly name: string;
  readonly options?: Record<string, string>;
  /** The norms that have no layer before them which could take them; by default none. */
  readonly kept?: RegExp;
}

const FOLDING: readonly Folding[] = [
  ...RESNET_DEPTHS.map((depth) => ({ name: `resnet${depth}` })),
  { name: 'resnet20', options: { shortcut: 'B' } },
  { name: 'resnet8x4' },
  { name: 'resnet32x4' },
  // Most norms come before their convolution; the first follows one that nothing else reads.
  { name: 'wrn-16-2', kept: /^(?!stage1\.block1).*norm1$|^last/ },
  { name: 'vgg8' },
  { name: 'resnet18' },
  { name: 'resnet50' },
  { name: 'mobilenetv1' },
  { name: 'mobilenetv2' },
  // A norm over several groups follows no layer that could take it.
  { name: 'shufflenetv1', kept: /norm3$|^(?!stage1\.block1).*norm1$/ },
  { name: 'shufflenetv2' },
  // Only the norm between a block's two convolutions follows one that nothing else reads.
  { name: 'densenet-bc', kept: /^(?!.*norm2$)/ },
];

async function expectCatalogueFolds({ name, options = {}, kept = /^$/ }: Folding): Promise<void> {
  const model = await buildModel({ name, options }, { ...SHAPE, seed: 2 });
  makeTrained(model, SHAPE.inputShape);
  const norms = leafLayers(model).filter((layer) => layer.getClassName() === 'BatchNormalization');
  expect(expectSameFunction(model, SHAPE.inputShape)).toEqual(norms.map((norm) => norm.name).filter((norm) => kept.test(norm)));
  model.dispose();
}

describe('the catalogue', () => {
  beforeAll(async () => void (await openEngine('wasm')));

  test.each(FOLDING)('$name $options folds', expectCatalogueFolds);

  test.each(MODEL_NAMES.filter((name) => name.startsWith('cnn')))('%s has nothing to fold', async (name) => {
    const model = await buildModel({ name, options: {} }, { ...SHAPE, seed: 2 });
    expect(foldBatchNorms(model)).toBeNull();
    model.dispose();
  });
});

describeTensorflow('the catalogue on tensorflow', () => {
  beforeAll(async () => void (await openEngine('tensorflow')));
  test.each(FOLDING)('$name $options folds', expectCatalogueFolds);
});

type Norm = (name: string, config?: object) => ReturnType<typeof layers.batchNormalization>;
const norm: Norm = (name, config = {}) => layers.batchNormalization({ name, ...config });
const conv = (name: string, config: object = {}) => layers.conv2d({ name, filters: 4, kernelSize: 3, ...config });
const relu = () => layers.activation({ activation: 'relu' });
const [size] = SHAPE.inputShape;

/** A model over images; the body takes the input and gives the output. */
function over(body: (x: SymbolicTensor) => unknown): LayersModel {
  const start = input({ shape: [...SHAPE.inputShape] });
  return makeModel({ inputs: start, outputs: body(start) as SymbolicTensor });
}

const chain = (x: SymbolicTensor, ...steps: { apply(x: SymbolicTensor): unknown }[]): SymbolicTensor =>
  steps.reduce((y, step) => step.apply(y) as SymbolicTensor, x);

/** Convolution and norm as one layer, a model. */
function nested(name: string): LayersModel {
  const start = input({ shape: [...SHAPE.inputShape] });
  return makeModel({
    name,
    inputs: start,
    outputs: chain(start, conv(`${name}.conv`, { padding: 'same', filters: 3 }), norm(`${name}.norm`)),
  });
}

/** The norms that have to stay, and the model. */
// biome-ignore format: a case a line
const GRAPHS: readonly (readonly [string, string[], () => LayersModel])[] = [
  ['a bias, padding before', [], () => over((x) => chain(x, layers.zeroPadding2d({ padding: 1 }), conv('c', { strides: 2, biasInitializer: 'randomNormal' }), norm('n'), relu()))],
  ['no bias, no scale, no shift', [], () => over((x) => chain(x, conv('c', { useBias: false }), norm('n', { scale: false, center: false, epsilon: 0.1 })))],
  ['depthwise with a multiplier of 2', [], () => over((x) => chain(x, layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, useBias: false }), norm('n')))],
  ['dense on rows', [], () => over((x) => chain(x, layers.flatten(), layers.dense({ units: 6 }), norm('n')))],
  ['dense on pixels', [], () => over((x) => chain(x, layers.dense({ units: 6, useBias: false }), norm('n', { axis: 3 })))],
  ['an axis that is not the last', ['n'], () => over((x) => chain(x, conv('d'), norm('m'), conv('c', { filters: size - 4, kernelSize: 1 }), norm('n', { axis: 1 })))],
  ['an activation in between', ['n'], () => over((x) => chain(x, conv('c', { activation: 'relu' }), norm('n'), conv('d'), norm('m')))],
  ['a norm of the input, a norm of a norm', ['first', 'second'], () => over((x) => chain(x, norm('first'), conv('c'), norm('n'), norm('second')))],
  ['pooling in between', ['n'], () => over((x) => chain(x, conv('c'), layers.maxPooling2d({ poolSize: 2 }), norm('n'), conv('d'), norm('m')))],
  ['a convolution that another layer reads', ['n'], () => over((x) => {
    const y = conv('c').apply(x) as SymbolicTensor;
    const z = chain(norm('n').apply(y) as SymbolicTensor, conv('d', { padding: 'same' }), norm('m'));
    return layers.add().apply([y, z]);
  })],
  ['a convolution called twice', ['n'], () => over((x) => {
    const shared = conv('c');
    const y = chain(shared.apply(x) as SymbolicTensor, norm('n'));
    const z = chain(shared.apply(relu().apply(x)) as SymbolicTensor, conv('d', { padding: 'same' }), norm('m'));
    return layers.add().apply([y, z]);
  })],
  ['a norm called twice', ['n'], () => over((x) => {
    const shared = norm('n');
    const y = chain(x, conv('c'), shared);
    const z = chain(x, conv('d'), shared, conv('e', { padding: 'same' }), norm('m'));
    return layers.concatenate().apply([y, z]);
  })],
  ['a model in the model', [], () => over((x) => chain(x, nested('inner'), relu()))],
  ['a model in the model, called twice', [], () => over((x) => {
    const inner = nested('inner');
    return layers.add().apply([inner.apply(x) as SymbolicTensor, chain(relu().apply(x) as SymbolicTensor, inner)]);
  })],
  ['a norm after a model in the model', ['n'], () => over((x) => chain(x, nested('inner'), norm('n')))],
  ['a layer both here and in a model in the model', ['inner.norm'], () => {
    const inner = nested('inner');
    const shared = inner.getLayer('inner.conv');
    return over((x) => layers.add().apply([inner.apply(x) as SymbolicTensor, chain(shared.apply(x) as SymbolicTensor, conv('d', { padding: 'same', filters: 3 }), norm('m'))]));
  }],
  ['a sequence', [], () => sequential({ layers: [conv('c', { inputShape: [...SHAPE.inputShape] }), norm('n'), relu(), layers.flatten(), layers.dense({ units: 4 }), norm('m')] })],
  ['a sequence that begins with a model', [], () => sequential({ layers: [nested('inner'), conv('c'), norm('n'), layers.flatten()] })],
  ['other layers with weights', [], () => over((x) => {
    const y = chain(x, conv('c'), norm('n'), layers.separableConv2d({ filters: 3, kernelSize: 3 }), layers.reshape({ targetShape: [size - 4, (size - 4) * 3] }));
    return chain(y, layers.timeDistributed({ layer: layers.dense({ units: 5 }) }), layers.gru({ units: 4, returnSequences: true }), layers.prelu());
  })],
];

describe('a norm stays where folding would change the function, or might', () => {
  beforeAll(async () => void (await openEngine('cpu')));

  test.each(GRAPHS)('%s: stays %j', (_, left, build) => {
    const model = build();
    makeTrained(model, SHAPE.inputShape);
    expect(expectSameFunction(model, SHAPE.inputShape).sort()).toEqual([...left].sort());
    for (const layer of leafLayers(model)) for (const weight of layer.weights) weight.dispose();
  });
});

describe('a model with taps', () => {
  beforeAll(async () => void (await openEngine('cpu')));

  const build = () => over((x) => chain(x, conv('c', { useBias: false }), norm('n'), relu(), conv('d'), norm('m'), layers.flatten()));

  // A convolution that is tapped is read twice; a norm that is tapped is the output of the layer that has taken it over.
  test.each([
    [['n'], []],
    [['n', 'm'], []],
    [['c'], ['n']],
    [['c', 'n'], ['n']],
    [['d', 'n'], ['m']],
    [
      ['c', 'd'],
      ['m', 'n'],
    ],
  ])('with taps of %j keeps the norms %j, and has the same outputs', (taps, left) => {
    const source = build();
    makeTrained(source, SHAPE.inputShape);
    const tapped = knowledgeModel(source, [...taps.map((layer) => ({ of: 'tap', layer, reduce: null }) as const), LOGITS_SPEC]);
    const folded = foldBatchNorms(tapped.model);
    const names = leafLayers(folded?.model ?? tapped.model)
      .filter((layer) => layer.getClassName() === 'BatchNormalization')
      .map(({ name }) => name);
    expect(names.sort()).toEqual(left);
    tf.tidy(() => {
      const images = noise([3, ...SHAPE.inputShape]);
      const expected = tapped.run(images, { training: false });
      const found = tapped.run(images, { training: false, through: folded?.model ?? tapped.model });
      for (const [i, tensor] of expected.entries()) {
        const values = found[i]?.dataSync() ?? [];
        tensor.dataSync().forEach((value, at) => void expect(values[at]).toBeCloseTo(value, 4));
      }
    });
    folded?.dispose();
    source.dispose();
  });
});

describe('the folded model', () => {
  beforeAll(async () => void (await openEngine('cpu')));

  test('follows its source at each refresh, and only then; it gives back what it took, and leaves the source as it was', () => {
    const images = noise([2, ...SHAPE.inputShape]);
    const source = over((x) => chain(x, conv('c'), norm('n'), relu(), conv('d')));
    makeTrained(source, SHAPE.inputShape);
    const weights = source.getWeights().map((weight) => weight.dataSync().slice());
    const tensors = tf.memory().numTensors;
    const folded = present(foldBatchNorms(source));
    expect(source.getWeights().map((weight) => weight.dataSync().slice())).toEqual(weights);
    const before = outputOf(folded.model, images);

    makeTrained(source, SHAPE.inputShape);
    expect(outputOf(folded.model, images)).toEqual(before);
    folded.refresh();
    const after = outputOf(folded.model, images);
    expect(after).not.toEqual(before);
    outputOf(source, images).forEach((value, i) => void expect(after[i]).toBeCloseTo(value, 4));

    folded.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
    expect(outputOf(source, images)).toHaveLength(after.length);
    source.dispose();
    images.dispose();
  });
});

function present<Value>(value: Value | null): Value {
  if (value === null) throw new Error('nothing was folded');
  return value;
}
