import * as tf from '@tensorflow/tfjs-core';
import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { normaliseBatch, overrideBatchNorms } from '../../../src/nn/batch-norm.js';

const EPSILON = 1e-3;

beforeAll(async () => {
  await openEngine('cpu');
});

/** Rows [N][C] in float64. */
function normalised(x: readonly number[][], scale: readonly number[], shift: readonly number[]): number[][] {
  const mean = scale.map((_, c) => x.reduce((sum, row) => sum + (row[c] as number), 0) / x.length);
  const variance = mean.map((m, c) => x.reduce((sum, row) => sum + ((row[c] as number) - m) ** 2, 0) / x.length);
  return x.map((row) =>
    row.map(
      (v, c) => ((v - (mean[c] as number)) / Math.sqrt((variance[c] as number) + EPSILON)) * (scale[c] as number) + (shift[c] as number),
    ),
  );
}

function singleNorm(shape: number[], config: object = {}): LayersModel {
  const start = input({ shape });
  const norm = layers.batchNormalization({ name: 'norm', momentum: 0, epsilon: EPSILON, ...config });
  return makeModel({ inputs: start, outputs: norm.apply(start) as SymbolicTensor });
}

/** The output in training mode; the statistics move. */
function trainOn(model: LayersModel, x: tf.Tensor): tf.Tensor {
  return model.apply(x, { training: true }) as tf.Tensor;
}

function statistics(model: LayersModel): number[] {
  return model
    .getLayer('norm')
    .getWeights()
    .slice(-2)
    .flatMap((weight) => [...weight.dataSync()]);
}

describe('running statistics', () => {
  test('of the values 1, 2, 3, 6 take the unbiased variance 4.667, where stock tfjs takes 3.5', () => {
    const model = singleNorm([1]);
    const x = tf.tensor2d([1, 2, 3, 6], [4, 1]);
    const trained = () => {
      trainOn(model, x).dispose();
      return statistics(model).map((value) => Number(value.toFixed(3)));
    };
    expect(trained()).toEqual([3, 3.5]);
    const restore = overrideBatchNorms(model);
    expect(trained()).toEqual([3, 4.667]);
    restore();
    expect(trained()).toEqual([3, 3.5]);
    tf.dispose(x);
    model.dispose();
  });

  test('move by 1 - momentum, from where they are; inference uses and does not move them', () => {
    const model = singleNorm([1], { momentum: 0.9 });
    const restore = overrideBatchNorms(model);
    const x = tf.tensor2d([1, 2, 3, 6], [4, 1]);
    trainOn(model, x).dispose();
    expect(statistics(model)[0]).toBeCloseTo(0.3, 6);
    expect(statistics(model)[1]).toBeCloseTo(0.9 + 14 / 30, 6);
    const out = model.predict(x) as tf.Tensor;
    expect(out.dataSync()[3]).toBeCloseTo((6 - 0.3) / Math.sqrt(0.9 + 14 / 30 + EPSILON), 5);
    expect(statistics(model)[0]).toBeCloseTo(0.3, 6);
    restore();
    tf.dispose([x, out]);
    model.dispose();
  });

  test('a single value has no unbiased variance: 0, and nothing infinite', () => {
    const model = singleNorm([1]);
    const restore = overrideBatchNorms(model);
    tf.tidy(() => void trainOn(model, tf.tensor2d([[5]])));
    expect(statistics(model)).toEqual([5, 0]);
    restore();
    model.dispose();
  });
});

describe('normalised values and their gradient, against float64 and finite differences', () => {
  const random = new Prng(8);
  const rows = Array.from({ length: 12 }, () => [2 + random.normal(), -1 + 3 * random.normal(), 0.1 * random.normal()]);
  const weights = rows.map((row) => row.map(() => random.normal()));
  const scale = [1.5, 0.7, -2];
  const shift = [0.1, 0, -3];
  const lossOf = (x: readonly number[][], gamma: readonly number[], beta: readonly number[]) =>
    normalised(x, gamma, beta).reduce((sum, row, n) => sum + row.reduce((s, y, c) => s + y * y * (weights[n]?.[c] as number), 0), 0);

  test.each([
    ['[12, 3]', [12, 3]],
    ['[2, 3, 2, 3], over the pixels too', [2, 3, 2, 3]],
  ])('%s', (_, shape) => {
    tf.tidy(() => {
      const w = tf.tensor(weights.flat(), shape);
      const run = (x: tf.Tensor, scale_C: tf.Tensor, shift_C: tf.Tensor) => {
        const options = { scale_C: scale_C as tf.Tensor1D, shift_C: shift_C as tf.Tensor1D, epsilon: EPSILON };
        const { normalised, mean_C, unbiasedVariance_C } = normaliseBatch(x, options);
        tf.dispose([mean_C, unbiasedVariance_C]);
        return normalised;
      };
      const inputs: [tf.Tensor, tf.Tensor, tf.Tensor] = [tf.tensor(rows.flat(), shape), tf.tensor1d(scale), tf.tensor1d(shift)];
      const y = run(...inputs);
      expect(y.shape).toEqual(shape);
      normalised(rows, scale, shift)
        .flat()
        .forEach((value, i) => {
          expect(y.dataSync()[i]).toBeCloseTo(value, 5);
        });
      const [dx, dScale, dShift] = tf.grads((...args) => tf.sum(tf.mul(tf.square(run(...(args as typeof inputs))), w)))(inputs);
      const h = 1e-5;
      const moved = (n: number, c: number, by: number) => rows.map((row, i) => row.map((v, j) => (i === n && j === c ? v + by : v)));
      const expected = rows.flatMap((row, n) =>
        row.map((_v, c) => (lossOf(moved(n, c, h), scale, shift) - lossOf(moved(n, c, -h), scale, shift)) / (2 * h)),
      );
      expectNear(dx, expected);
      const bump = (list: readonly number[], c: number, by: number) => list.map((v, j) => (j === c ? v + by : v));
      expectNear(
        dScale,
        scale.map((_v, c) => (lossOf(rows, bump(scale, c, h), shift) - lossOf(rows, bump(scale, c, -h), shift)) / (2 * h)),
      );
      expectNear(
        dShift,
        shift.map((_v, c) => (lossOf(rows, scale, bump(shift, c, h)) - lossOf(rows, scale, bump(shift, c, -h))) / (2 * h)),
      );
    });
  });

  test('a mean a thousand times the deviation does not eat the digits of the variance', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(rows.map(([first]) => [1000 + (first as number)]));
      const ones: tf.Tensor1D = tf.ones([1]);
      const { mean_C, unbiasedVariance_C } = normaliseBatch(x, { scale_C: ones, shift_C: tf.zeros([1]), epsilon: EPSILON });
      const mean = rows.reduce((sum, [v]) => sum + (v as number), 0) / 12;
      const expected = rows.reduce((sum, [v]) => sum + ((v as number) - mean) ** 2, 0) / 11;
      expect(Math.abs((unbiasedVariance_C.dataSync()[0] as number) / expected - 1)).toBeLessThan(1e-3);
      tf.dispose([mean_C, unbiasedVariance_C]);
    });
  });
});

test('a layer without scale and shift trains', () => {
  const model = singleNorm([2], { scale: false, center: false });
  const restore = overrideBatchNorms(model);
  const y = tf.tidy(() => trainOn(model, tf.tensor2d([1, -1, 3, 1], [2, 2])));
  const one = 1 / Math.sqrt(1 + EPSILON);
  [-one, -one, one, one].forEach((value, i) => {
    expect(y.dataSync()[i]).toBeCloseTo(value, 5);
  });
  y.dispose();
  restore();
  model.dispose();
});

test('agrees with the stock layer in what it puts out while training', () => {
  const model = singleNorm([4, 4, 3]);
  const x = tf.randomNormal([5, 4, 4, 3], 1, 2, 'float32', 3);
  const stock = trainOn(model, x);
  const restore = overrideBatchNorms(model);
  const before = tf.memory().numTensors;
  const ours = trainOn(model, x);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(tf.tidy(() => tf.max(tf.abs(tf.sub(stock, ours))).dataSync()[0])).toBeLessThan(1e-5);
  restore();
  tf.dispose([x, stock, ours]);
  model.dispose();
});

function expectNear(found: tf.Tensor | undefined, expected: readonly number[]): void {
  const values = found?.dataSync() ?? new Float32Array();
  expect(values.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((value, i) => {
    expect(Math.abs((values[i] as number) - value), `element ${i}: ${values[i]} and ${value}`).toBeLessThan(2e-5 * largest);
  });
}
