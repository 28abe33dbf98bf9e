import * as tf from '@tensorflow/tfjs-core';
import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { overrideBatchNorms } from '../../src/nn/batch-norm.js';
import { buildModel } from '../../src/nn/build.js';
import { operationsOf } from '../support/executed-operations.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

function noise(shape: readonly number[], seed: number): tf.Tensor {
  const random = new Prng(seed, 9);
  const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * random.normal() + 0.5);
  return tf.tensor(values, [...shape]);
}

/** The value and the gradient of sum(weights * f(x)), for weights that differ from place to place. */
function valueAndGradient(f: (x: tf.Tensor) => tf.Tensor, shape: readonly number[]): number[][] {
  return tf.tidy(() => {
    const x = noise(shape, 1);
    const { value, grad } = tf.valueAndGrad((given: tf.Tensor) => {
      const y = f(given);
      return tf.sum(tf.mul(y, noise(y.shape, 2)));
    })(x);
    return [value, grad].map((tensor) => [...tensor.dataSync()]);
  });
}

async function onEach<Value>(compute: () => Value): Promise<Record<'cpu' | 'tensorflow', Value>> {
  // In this order: the gradients that tensorflow brings must not change what cpu answers.
  await openEngine('tensorflow');
  const tensorflow = compute();
  await openEngine('cpu');
  return { cpu: compute(), tensorflow };
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  const size = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0)) || 1;
  const apart = Math.sqrt(expected.reduce((sum, x, i) => sum + (x - (found[i] as number)) ** 2, 0));
  expect(apart / size).toBeLessThan(1e-5);
}

describeTensorflow('gradients of activations', () => {
  // Zero and six are in the middle of nowhere: tfjs and TensorFlow disagree on the gradient at six itself.
  const ACTIVATIONS: readonly (readonly [string, (x: tf.Tensor) => tf.Tensor, string])[] = [
    ['relu', (x) => tf.relu(x), 'ReluGrad'],
    ['relu6', (x) => tf.relu6(tf.mul(x, 3)), 'Relu6Grad'],
    ['leaky relu', (x) => tf.leakyRelu(x, 0.3), 'LeakyReluGrad'],
    ['sigmoid', (x) => tf.sigmoid(x), 'SigmoidGrad'],
    ['tanh', (x) => tf.tanh(x), 'TanhGrad'],
  ];

  test.each(ACTIVATIONS)('%s: as on cpu, by one operation', async (_, activation, operation) => {
    const { cpu, tensorflow } = await onEach(() => valueAndGradient(activation, [4, 5, 6]));
    cpu.forEach((expected, i) => void expectClose(tensorflow[i] ?? [], expected));
    await openEngine('tensorflow');
    const names = operationsOf(() => valueAndGradient(activation, [2, 3])).map(({ name }) => name);
    expect(names.filter((name) => name.endsWith('Grad'))).toEqual([operation]);
    expect(names).not.toContain('Select');
  });
});

describeTensorflow('BatchNorm in training', () => {
  test('is two operations, and leaves nothing behind', async () => {
    await openEngine('tensorflow');
    const start = input({ shape: [4, 4, 3] });
    const norm = layers.batchNormalization({}).apply(start) as SymbolicTensor;
    const model = makeModel({ inputs: start, outputs: norm });
    const restore = overrideBatchNorms(model);
    const x = noise([2, 4, 4, 3], 1);
    const gradient = tf.grad((given: tf.Tensor) => model.apply(given, { training: true }) as tf.Tensor);
    const step = () => tf.dispose(gradient(x));
    step();
    const tensors = tf.memory().numTensors;
    const names = operationsOf(step).map(({ name }) => name);
    expect(names.filter((name) => name !== 'Fill')).toEqual(['FusedBatchNormV3', 'FusedBatchNormGradV3']);
    expect(tf.memory().numTensors).toBe(tensors);
    restore();
    model.dispose();
    x.dispose();
  });
});

/** TensorFlow's attributes that hold a type and have no default, of the operations that training runs. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  Cast: ['SrcT', 'DstT'],
  PadV2: ['T', 'Tpaddings'],
  Slice: ['T', 'Index'],
  OneHot: ['T', 'TI'],
  FusedBatchNormV3: ['T', 'U'],
  FusedBatchNormGradV3: ['T', 'U'],
};
const UNTYPED: readonly string[] = ['LogicalAnd', 'LogicalNot', 'LogicalOr'];

function expectCompleteTypes(work: () => void): string[] {
  const operations = operationsOf(work);
  for (const { name, attributes } of operations) {
    const given = attributes.map((attribute) => attribute.name);
    if (!UNTYPED.includes(name)) expect(given, name).toEqual(expect.arrayContaining([...(TYPES[name] ?? ['T'])]));
  }
  return operations.map(({ name }) => name);
}

function trainOnce(model: LayersModel, shape: readonly number[]): void {
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  tf.tidy(() => {
    tf.variableGrads(
      () => tf.sum(tf.logSoftmax(model.apply(noise([2, ...shape], 1), { training: true }) as tf.Tensor)) as tf.Scalar,
      variables,
    );
  });
}

describeTensorflow('every operation says its types, as a graph needs it', () => {
  const inputShape = [8, 8, 3] as const;
  beforeEach(async () => void (await openEngine('tensorflow')));

  test.each([
    ['cnn-teacher', {}],
    ['cnn-student', {}],
    ['resnet8', { shortcut: 'A' }],
    ['resnet8', { shortcut: 'B' }],
  ])('%s %j', async (name, options) => {
    const model = await buildModel({ name, options }, { inputShape, classes: 3, seed: 1 });
    const restore = overrideBatchNorms(model);
    const names = expectCompleteTypes(() => trainOnce(model, inputShape));
    expect(names).toContain('ReluGrad');
    restore();
    model.dispose();
  });

  test('expandDims', () => {
    const expand = () => {
      const [x] = [tf.zeros([2, 3])];
      const shapes = [0, 2, -1].map((axis) => tf.tidy(() => tf.expandDims(x as tf.Tensor, axis).shape));
      tf.dispose(x);
      expect(shapes).toEqual([
        [1, 2, 3],
        [2, 3, 1],
        [2, 3, 1],
      ]);
    };
    expect(expectCompleteTypes(expand).filter((name) => name === 'ExpandDims')).toHaveLength(3);
  });

  test('gather, which checks its places without reading them back', () => {
    const gather = () =>
      tf.tidy(() => {
        const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
        const places = tf.cast(tf.tensor1d([2, 0]), 'int32');
        const found = [tf.gather(x, places), tf.gather(x, tf.tensor2d([[1], [0], [1]], [3, 1], 'int32'), 1, 1)];
        return found.map((tensor) => [tensor.shape, [...tensor.dataSync()]]);
      });
    expect(gather()).toEqual([
      [
        [2, 2],
        [5, 6, 1, 2],
      ],
      [
        [3, 1],
        [2, 3, 6],
      ],
    ]);
    const beyond = () => tf.tidy(() => tf.gather(tf.zeros([3, 2]), tf.tensor1d([0, 3], 'int32')).shape);
    expect(beyond).toThrow('indices[1] = 3 is not in [0, 3)');
  });
});
