import * as tf from '@tensorflow/tfjs-core';
// tfjs's gradients come with its layers.
import * as layers from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';

/** Largest ||a - b|| / ||b|| of a tensor on wasm against the same on cpu. */
const TOLERANCE = 1e-4;

/** Values in [-1, 1] that are the same in every run (a linear congruential generator, Numerical Recipes). */
function valuesOf(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function makeTensors(shapes: readonly (readonly number[])[]): tf.Tensor[] {
  return shapes.map((shape, i) => tf.tensor(valuesOf(tf.util.sizeFromShape([...shape]), i + 1), [...shape]));
}

function distance(actual: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / (norm || 1));
}

/** The output of an operation and its gradients for every input, for an output gradient that differs from place to place. */
function forwardAndGradients(operation: (...inputs: tf.Tensor[]) => tf.Tensor, shapes: readonly (readonly number[])[]): Float32Array[] {
  return tf.tidy(() => {
    const inputs = makeTensors(shapes);
    const output = operation(...inputs);
    const weights = tf.tensor(valuesOf(output.size, 99), output.shape);
    const gradients = tf.grads((...given: tf.Tensor[]) => tf.sum(tf.mul(operation(...given), weights)))(inputs);
    return [output, ...gradients].map((tensor) => tensor.dataSync() as Float32Array);
  });
}

async function onBoth<T>(compute: () => T): Promise<{ cpu: T; wasm: T }> {
  await openEngine('cpu');
  const cpu = compute();
  await openEngine('wasm');
  return { cpu, wasm: compute() };
}

async function expectAgreement(compute: () => Float32Array[]): Promise<void> {
  const { cpu, wasm } = await onBoth(compute);
  expect(wasm.map(({ length }) => length)).toEqual(cpu.map(({ length }) => length));
  for (const [i, expected] of cpu.entries()) expect(distance(wasm[i]!, expected), `tensor ${i}`).toBeLessThan(TOLERANCE);
}

type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;
type Pad = 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;

const convolution =
  (stride: number | [number, number], pad: Pad): Operation =>
  (x, w) =>
    tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad, 'NHWC', 1, typeof pad === 'number' ? 'floor' : undefined);
const depthwise =
  (stride: number | [number, number], pad: Pad): Operation =>
  (x, w) =>
    tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad);

function fusedConvolution([x, filter, bias]: tf.Tensor[], activation: 'relu' | 'relu6'): tf.Tensor {
  return tf.fused.conv2d({ x: x as tf.Tensor4D, filter: filter as tf.Tensor4D, bias: bias!, activation, strides: 1, pad: 'same' });
}

// biome-ignore format: a case a line
const CONVOLUTIONS: readonly (readonly [string, Operation, number[][]])[] = [
  ['3x3 same', convolution(1, 'same'), [[2, 6, 5, 3], [3, 3, 3, 4]]],
  ['3x3 valid', convolution(1, 'valid'), [[2, 6, 5, 3], [3, 3, 3, 4]]],
  ['2x2 same, lopsided padding', convolution(1, 'same'), [[2, 5, 6, 2], [2, 2, 2, 3]]],
  ['5x3 same', convolution(1, 'same'), [[1, 7, 8, 2], [5, 3, 2, 9]]],
  ['1x1', convolution(1, 'same'), [[3, 4, 5, 6], [1, 1, 6, 7]]],
  ['1x1 stride 2', convolution(2, 'same'), [[3, 5, 6, 4], [1, 1, 4, 3]]],
  ['3x3 same, stride 2, even size', convolution(2, 'same'), [[2, 8, 6, 3], [3, 3, 3, 4]]],
  ['3x3 same, stride 2, odd size', convolution(2, 'same'), [[2, 7, 9, 3], [3, 3, 3, 4]]],
  ['3x3 valid, stride 2, a row left over', convolution(2, 'valid'), [[2, 8, 8, 3], [3, 3, 3, 4]]],
  ['3x3 stride 2 by 1', convolution([2, 1], 'same'), [[2, 8, 7, 3], [3, 3, 3, 4]]],
  ['3x3 valid, stride 3', convolution(3, 'valid'), [[2, 11, 12, 2], [3, 3, 2, 5]]],
  ['3x3 padding 2 on each side', convolution(1, 2), [[2, 5, 5, 3], [3, 3, 3, 4]]],
  ['1x1 padding 1: more than the filter', convolution(1, 1), [[2, 4, 4, 3], [1, 1, 3, 2]]],
  ['3x3 padding of its own on each side', convolution(1, [[0, 0], [0, 2], [1, 0], [0, 0]]), [[2, 5, 6, 3], [3, 3, 3, 4]]],
  ['3x3 stride 2, padding of its own', convolution(2, [[0, 0], [1, 1], [1, 1], [0, 0]]), [[2, 8, 7, 3], [3, 3, 3, 4]]],
  ['3x3, more samples than go in a group', convolution(1, 'same'), [[6, 64, 64, 24], [3, 3, 24, 1]]],
  ['3x3 stride 2, more samples than go in a group', convolution(2, 'same'), [[7, 64, 63, 12], [3, 3, 12, 2]]],
  ['5x5 stride 3, padding of its own', convolution(3, [[0, 0], [2, 1], [4, 0], [0, 0]]), [[2, 10, 11, 3], [5, 5, 3, 4]]],
  ['3x3, blocks of eight, four and one channels', convolution(1, 'same'), [[2, 5, 9, 13], [3, 3, 13, 14]]],
  ['1x1 stride 3, pixels that no window sees', convolution(3, 'valid'), [[2, 7, 8, 5], [1, 1, 5, 4]]],
  ['7x7 stride 2 on a small image', convolution(2, 'same'), [[2, 5, 6, 3], [7, 7, 3, 8]]],
  ['3x3, samples in groups and some left over', convolution(1, 'same'), [[19, 16, 16, 8], [3, 3, 8, 5]]],
  ['with bias and relu', (x, w, b) => fusedConvolution([x, w, b!], 'relu'), [[2, 6, 5, 3], [3, 3, 3, 5], [5]]],
  ['with bias and relu6', (x, w, b) => fusedConvolution([x, w, b!], 'relu6'), [[2, 6, 5, 3], [3, 3, 3, 5], [5]]],
  ['depthwise 3x3 same', depthwise(1, 'same'), [[2, 6, 5, 4], [3, 3, 4, 1]]],
  ['depthwise 3x3 valid', depthwise(1, 'valid'), [[2, 6, 5, 4], [3, 3, 4, 1]]],
  ['depthwise 2x2 same', depthwise(1, 'same'), [[2, 6, 5, 3], [2, 2, 3, 1]]],
  ['depthwise 3x3 stride 2, even size', depthwise(2, 'same'), [[2, 8, 6, 4], [3, 3, 4, 1]]],
  ['depthwise 3x3 stride 2, odd size', depthwise(2, 'valid'), [[2, 9, 7, 4], [3, 3, 4, 1]]],
  ['depthwise 5x5, blocks of eight, four and one channels', depthwise(1, 'same'), [[2, 6, 7, 13], [5, 5, 13, 1]]],
  ['depthwise 3x3 stride 3 by 1', depthwise([3, 1], 'same'), [[2, 8, 7, 4], [3, 3, 4, 1]]],
  ['depthwise 1x1 stride 2', depthwise(2, 'same'), [[2, 5, 6, 4], [1, 1, 4, 1]]],
  ['depthwise, more samples than go in a band', depthwise(1, 'same'), [[9, 24, 24, 16], [3, 3, 16, 1]]],
  ['depthwise multiplier 2', depthwise(1, 'same'), [[2, 6, 5, 3], [3, 3, 3, 2]]],
  ['depthwise multiplier 2, stride 2', depthwise(2, 'same'), [[2, 6, 5, 3], [3, 3, 3, 2]]],
];

// biome-ignore format: a case a line
const PRODUCTS: readonly (readonly [string, Operation, number[][]])[] = [
  ['a b', (a, b) => tf.matMul(a, b), [[5, 7], [7, 3]]],
  ['aT b', (a, b) => tf.matMul(a, b, true), [[7, 5], [7, 3]]],
  ['a bT', (a, b) => tf.matMul(a, b, false, true), [[5, 7], [3, 7]]],
  ['aT bT', (a, b) => tf.matMul(a, b, true, true), [[7, 5], [3, 7]]],
  ['one factor in two shapes', (a, b) => tf.add(tf.sum(tf.matMul(a, b)), tf.sum(tf.matMul(tf.ones([1, 3]), tf.reshape(b, [3, 14])))), [[5, 7], [7, 6]]],
  ['batches', (a, b) => tf.matMul(a, b, true), [[4, 7, 5], [4, 7, 3]]],
  ['a batch of one, broadcast, forward only', (a, b) => tf.matMul(tf.sum(a, 0, true), b), [[2, 5, 7], [1, 7, 3]]],
  ['fused with bias and relu', (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: bias!, activation: 'relu', transposeB: true }), [[5, 7], [3, 7], [3]]],
];

// biome-ignore format: a case a line
const OTHERS: readonly (readonly [string, Operation, number[][]])[] = [
  ['sum over all', (x) => tf.sum(x), [[2, 3, 4, 5]]],
  ['sum over three axes', (x) => tf.sum(x, [0, 1, 2]), [[4, 6, 6, 5]]],
  ['sum over the last axis', (x) => tf.sum(x, -1), [[4, 6, 5]]],
  ['sum over the middle, axes kept', (x) => tf.sum(x, [1, 2], true), [[3, 4, 5, 6]]],
  ['sum over axes apart', (x) => tf.sum(x, [0, 2]), [[3, 4, 5, 6]]],
  ['sum over a prime length', (x) => tf.sum(x, 0), [[131, 3]]],
  ['sum over nothing', (x) => tf.sum(x, []), [[3, 4]]],
  ['mean over three axes', (x) => tf.mean(x, [0, 1, 2]), [[4, 6, 6, 5]]],
  ['mean over the middle', (x) => tf.mean(x, [1, 2]), [[3, 4, 5, 6]]],
  ['mean over axes given backwards', (x) => tf.mean(x, [2, 1]), [[3, 4, 5, 6]]],
  ['max pooling', (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'same'), [[2, 5, 6, 3]]],
  ['max pooling that overlaps', (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'valid'), [[2, 7, 7, 3]]],
  ['average pooling', (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'same'), [[2, 5, 6, 3]]],
  ['max pooling, five channels, padding on each side', (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'same'), [[2, 9, 7, 5]]],
  ['max pooling by a padding of its own', (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 1, 'floor'), [[2, 8, 8, 4]]],
  ['average pooling that overlaps', (x) => tf.avgPool(x as tf.Tensor4D, [3, 2], [2, 1], 'valid'), [[2, 7, 6, 6]]],
  ['average pooling of one pixel', (x) => tf.avgPool(x as tf.Tensor4D, 1, 2, 'same'), [[2, 6, 6, 3]]],
  ['slice', (x) => tf.slice(x, [0, 1, 0, 2], [2, 2, 4, 2]), [[2, 3, 4, 5]]],
  ['slice of whole inner axes', (x) => tf.slice(x, [1, 1], [1, -1]), [[3, 4, 5]]],
  ['sum over many rows, not a power of two', (x) => tf.sum(x, [0, 1, 2]), [[5, 7, 9, 3]]],
  ['relu', (x) => tf.relu(x), [[3, 4, 5]]],
  ['relu6', (x) => tf.relu6(tf.mul(x, 9)), [[3, 4, 5]]],
  ['clipping', (x) => tf.clipByValue(x, -0.5, 0.3), [[3, 4, 5]]],
  ['clipping at values that are there', (x) => tf.clipByValue(tf.round(tf.mul(x, 3)), -2, 1), [[3, 4, 5]]],
  ['leaky relu', (x) => tf.leakyRelu(x, 0.3), [[3, 4, 5]]],
  ['sigmoid', (x) => tf.sigmoid(x), [[3, 4, 5]]],
  ['tanh', (x) => tf.tanh(x), [[3, 4, 5]]],
  ['vector added', (x, v) => tf.add(x, v), [[4, 4, 4, 6], [6]]],
  ['to vector added', (v, x) => tf.add(v, x), [[7], [3, 5, 7]]],
  ['vector subtracted', (x, v) => tf.sub(x, v), [[4, 4, 4, 6], [1, 1, 1, 6]]],
  ['vector times tensor', (v, x) => tf.mul(v, x), [[6], [4, 4, 4, 6]]],
  ['tensor taken from vector', (v, x) => tf.sub(v, x), [[6], [4, 4, 4, 6]]],
  ['batch normalisation', (x, scale, offset) => normalise(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D), [[8, 4, 4, 6], [6], [6]]],
  ['batch normalisation by given moments', (x, m, v, s, o) => tf.batchNorm(x as tf.Tensor4D, m as tf.Tensor1D, tf.square(v!) as tf.Tensor1D, o as tf.Tensor1D, s as tf.Tensor1D, 0.1), [[2, 3, 4, 5], [5], [5], [5], [5]]],
  ['gather, repeated rows', (x) => tf.gather(x, tf.tensor1d([2, 0, 2, 1, 2], 'int32')), [[4, 3]]],
  ['gather along another axis', (x) => tf.gather(x, tf.tensor1d([1, 1, 0], 'int32'), 2), [[2, 3, 4, 2]]],
  ['padding', (x) => tf.pad(x, [[0, 0], [1, 2], [0, 3]]), [[2, 3, 4]]],
  ['padding of images', (x) => tf.pad(x, [[0, 0], [1, 2], [2, 1], [0, 0]]), [[3, 4, 5, 2]]],
  ['padding on every axis by a value', (x) => tf.pad(x, [[1, 0], [1, 2], [2, 1], [1, 1], [0, 1]], 3), [[2, 2, 3, 2, 3]]],
  ['slice on every axis', (x) => tf.slice(x, [0, 1, 1, 0, 1], [2, 1, 2, 2, 2]), [[3, 2, 4, 2, 3]]],
  ['permutation', (x) => tf.transpose(x, [0, 3, 1, 2]), [[2, 3, 4, 5]]],
  ['concatenation', (a, b) => tf.concat([a, b], 3), [[2, 3, 3, 2], [2, 3, 3, 4]]],
  ['softmax cross entropy', (x) => tf.neg(tf.sum(tf.mul(tf.logSoftmax(x), tf.oneHot(tf.tensor1d([1, 0, 2], 'int32'), 4)), -1)), [[3, 4]]],
  ['one hot in float32', (x) => tf.mul(x, tf.oneHot(tf.tensor1d([1, 0, 2], 'int32'), 4, 0.75, 0.25, 'float32')), [[3, 4]]],
  ['softmax', (x) => tf.softmax(x), [[3, 4]]],
];

function normalise(x: tf.Tensor4D, scale: tf.Tensor1D, offset: tf.Tensor1D): tf.Tensor {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset, scale, 1e-5);
}

describe.each([
  ['convolutions', CONVOLUTIONS],
  ['matrix products', PRODUCTS],
  ['other operations', OTHERS],
] as const)('wasm agrees with cpu: %s', (_, cases) => {
  test.each(cases)('%s', (_name, operation, shapes) => expectAgreement(() => forwardAndGradients(operation, shapes)));
});

/** A block of a residual network that halves the picture: shortcut A of stock layers, then pooling and a classifier. */
function residualNet(): layers.LayersModel {
  const norm = (x: layers.SymbolicTensor) => layers.layers.batchNormalization({ epsilon: 1e-5 }).apply(x) as layers.SymbolicTensor;
  const relu = (x: layers.SymbolicTensor) => layers.layers.activation({ activation: 'relu' }).apply(x) as layers.SymbolicTensor;
  const convolve = (x: layers.SymbolicTensor, filters: number, strides: number) =>
    layers.layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', useBias: false }).apply(x) as layers.SymbolicTensor;
  const start = layers.input({ shape: [8, 8, 3] });
  const x = relu(norm(convolve(start, 4, 1)));
  const y = norm(convolve(relu(norm(convolve(x, 8, 2))), 8, 1));
  let direct = layers.layers.averagePooling2d({ poolSize: 1, strides: 2 }).apply(x);
  direct = layers.layers.permute({ dims: [1, 3, 2] }).apply(direct);
  // biome-ignore format: one axis each
  direct = layers.layers.zeroPadding2d({ padding: [[0, 0], [2, 2]] }).apply(direct);
  direct = layers.layers.permute({ dims: [1, 3, 2] }).apply(direct) as layers.SymbolicTensor;
  const sum = relu(layers.layers.add().apply([y, direct]) as layers.SymbolicTensor);
  const pooled = layers.layers.globalAveragePooling2d({}).apply(sum);
  return layers.model({ inputs: start, outputs: layers.layers.dense({ units: 5 }).apply(pooled) as layers.SymbolicTensor });
}

/** Depthwise convolutions, max pooling, concatenation, flattening and reshaping. */
function mixedNet(): layers.LayersModel {
  const start = layers.input({ shape: [8, 8, 3] });
  const wide = layers.layers.conv2d({ filters: 6, kernelSize: 1, activation: 'relu' }).apply(start);
  const deep = layers.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same' }).apply(wide);
  const pooled = layers.layers.maxPooling2d({ poolSize: 2 }).apply(wide);
  const both = layers.layers.concatenate().apply([deep as layers.SymbolicTensor, pooled as layers.SymbolicTensor]);
  const rows = layers.layers.reshape({ targetShape: [16, 12] }).apply(both);
  const flat = layers.layers.flatten().apply(layers.layers.permute({ dims: [2, 1] }).apply(rows) as layers.SymbolicTensor);
  return layers.model({ inputs: start, outputs: layers.layers.dense({ units: 5 }).apply(flat) as layers.SymbolicTensor });
}

/** Gives every weight the same values on every engine; running variances stay positive. */
function fillWeights(model: layers.LayersModel): void {
  const values = model.getWeights().map(({ shape, size }, i) => {
    const variance = model.weights[i]?.originalName.endsWith('moving_variance');
    const scale = 1 / Math.sqrt(Math.max(1, size / (shape.at(-1) ?? 1)));
    return tf.tensor(
      valuesOf(size, 100 + i).map((value) => (variance ? 1 : value * scale)),
      shape,
    );
  });
  model.setWeights(values);
  tf.dispose(values);
}

function lossAndGradients(model: layers.LayersModel): { value: tf.Scalar; grads: tf.NamedTensorMap } {
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  return tf.tidy(() => {
    const images = tf.tensor(valuesOf(6 * 8 * 8 * 3, 7), [6, 8, 8, 3]);
    const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 4, 0], 'int32'), 5, 1, 0, 'float32');
    return tf.variableGrads(() => {
      const logits = model.apply(images, { training: true }) as tf.Tensor;
      return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), labels), -1))) as tf.Scalar;
    }, variables);
  });
}

const NETS = [
  ['residual block, stride 2, shortcut A', residualNet],
  ['depthwise, pooling, concatenation', mixedNet],
] as const;

describe.each(NETS)('a small net: %s', (_, build) => {
  test('wasm agrees with cpu in loss, gradients and inference', async () => {
    await expectAgreement(() => {
      const model = build();
      fillWeights(model);
      const { value, grads } = lossAndGradients(model);
      const logits = tf.tidy(() => model.predict(tf.tensor(valuesOf(2 * 192, 8), [2, 8, 8, 3])) as tf.Tensor);
      const tensors = [value, ...model.trainableWeights.map((weight) => grads[(weight.read() as tf.Variable).name]!), logits];
      const arrays = tensors.map((tensor) => tensor.dataSync<'float32'>().slice());
      tf.dispose(tensors);
      model.dispose();
      return arrays;
    });
  });

  test.each(['cpu', 'wasm'] as const)('a step leaves no tensor and no data behind on %s', async (name) => {
    await openEngine(name);
    const model = build();
    const step = () => tf.dispose(lossAndGradients(model));
    step();
    const counts = () => [tf.memory().numTensors, tf.memory().numDataBuffers, tf.memory().numBytes, tf.engine().backend.numDataIds()];
    const before = counts();
    for (let i = 0; i < 3; i++) step();
    expect(counts()).toEqual(before);
    model.dispose();
  });
});
