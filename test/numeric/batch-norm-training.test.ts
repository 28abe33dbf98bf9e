import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { overrideBatchNorms } from '../../src/nn/batch-norm.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

/** Largest ||a - b|| / ||b|| of what an engine answers against the same on cpu. */
const TOLERANCE = 1e-5;

function noise(shape: readonly number[], seed: number, mean = 0.5): tf.Tensor {
  const random = new Prng(seed, 9);
  const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * random.normal() + mean);
  return tf.tensor(values, [...shape]);
}

interface NormCase {
  readonly shape: readonly number[];
  /** Of the batch; its deviation is 2. */
  readonly mean?: number;
  readonly momentum?: number;
  readonly config?: Parameters<typeof layers.batchNormalization>[0];
}

/** Output, gradients by input and weights, and running statistics of one training pass of a single BatchNorm. */
function trainNorm({ shape, mean = 0.5, momentum = 0.9, config = {} }: NormCase): number[][] {
  const start = input({ shape: shape.slice(1) });
  const norm = layers.batchNormalization({ name: 'norm', momentum, epsilon: 1e-3, ...config });
  const model = makeModel({ inputs: start, outputs: norm.apply(start) as SymbolicTensor });
  norm.weights.forEach((weight, i) => {
    const value = tf.tidy(() => tf.square(noise(weight.shape as number[], 10 + i)));
    weight.write(value);
    value.dispose();
  });
  const restore = overrideBatchNorms(model);
  const parameters = norm.trainableWeights.map((weight) => weight.read());
  const result = tf.tidy(() => {
    const loss = (...[x]: tf.Tensor[]) => tf.sum(tf.mul(model.apply(x as tf.Tensor, { training: true }) as tf.Tensor, noise(shape, 3)));
    const { value, grads } = tf.valueAndGrads(loss)([noise(shape, 4, mean), ...parameters]);
    return [value, ...grads, ...norm.nonTrainableWeights.map((weight) => weight.read())].map((tensor) => [...tensor.dataSync()]);
  });
  restore();
  model.dispose();
  return result;
}

const CASES: readonly (readonly [string, NormCase])[] = [
  ['images', { shape: [4, 5, 6, 3] }],
  ['rows', { shape: [9, 7] }],
  ['rows of rows', { shape: [4, 5, 7] }],
  ['images without scale and shift', { shape: [4, 5, 6, 3], config: { scale: false, center: false } }],
  ['running statistics that are the batch’s', { shape: [4, 3, 3, 2], momentum: 0 }],
  ['one row: its variance is nought, and stays so', { shape: [1, 3], config: { epsilon: 1 } }],
  ['blocks of sixteen, four and one channels', { shape: [3, 7, 5, 23] }],
  ['more rows than go in a band', { shape: [8, 16, 16, 6] }],
];

/** TensorFlow's own operation loses digits here. */
const FAR_CASE = ['a mean of 250 deviations', { shape: [8, 16, 16, 3], mean: 500 }] as const;

function agreesWithCpu(engine: 'wasm' | 'tensorflow', cases: typeof CASES): void {
  test.each(cases)('%s: output, gradients and running statistics', async (_, norm) => {
    // In this order: the gradients that the engine brings must not change what cpu answers.
    await openEngine(engine);
    const found = trainNorm(norm);
    await openEngine('cpu');
    const expected = trainNorm(norm);
    expect(found.length).toBe(expected.length);
    for (const [i, values] of expected.entries()) expect(distance(found[i] ?? [], values), `tensor ${i}`).toBeLessThan(TOLERANCE);
  });
}

function distance(found: readonly number[], expected: readonly number[]): number {
  const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return norm(expected.map((value, i) => value - (found[i] ?? Number.NaN))) / (norm(expected) || 1);
}

describe('BatchNorm in training on wasm is as on cpu', () => agreesWithCpu('wasm', [...CASES, FAR_CASE]));
describeTensorflow('BatchNorm in training on tensorflow is as on cpu', () => agreesWithCpu('tensorflow', CASES));
