/**
 * BatchNorm in training mode and its gradient, with two passes over the batch each. The formula is in src/nn/batch-norm.ts.
 * A batch is used as a matrix here: its rows are pixels of all samples, its columns are channels.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import { BATCH_NORM_TRAINING } from '../../nn/batch-norm.js';
import { BATCH_NORM_TRAINING_GRADIENT } from '../kernel-gradient.js';
import { scaleAndShift } from './batch-norm.js';
import { columnLoopOn, type MatrixSize } from './column-loop.js';
import { addressOf } from './loop-module.js';
import { sumColumns } from './reduction.js';
import { floatsOf, type KernelBody, makeVector, type WasmKernel } from './wasm-kernel.js';

/** The mean of this number of rows is the pivot, which is subtracted from all rows. */
const PIVOT_ROWS = 256;

/** Sums of x - pivot and of its square. */
const sumMoments = columnLoopOn({
  reads: ['x'],
  columns: ['pivot'],
  sums: ['sum', 'squares'],
  compute({ x, pivot }, { subtract, multiply }) {
    const away = subtract(x, pivot);
    return { sum: away, squares: multiply(away, away) };
  },
});

/** Sums of dy and of dy (x - mean). */
const sumProducts = columnLoopOn({
  reads: ['dy', 'x'],
  columns: ['mean'],
  sums: ['sum', 'products'],
  compute: ({ dy, x, mean }, { subtract, multiply }) => ({ sum: dy, products: multiply(dy, subtract(x, mean)) }),
});

/** dx = dy a + x b + c. */
const combine = columnLoopOn({
  reads: ['dy', 'x'],
  columns: ['a', 'b', 'c'],
  writes: ['dx'],
  compute: ({ dy, x, a, b, c }, { add, multiply }) => ({ dx: add(add(multiply(dy, a), multiply(x, b)), c) }),
});

function sizeOf(x: tf.Tensor, columns: number): MatrixSize {
  return { rows: x.size / columns, columns };
}

/** Runs `add` with the addresses of two vectors of zeros, one number for each column, and answers their values after it. */
function sumsOf(backend: BackendWasm, columns: number, add: (first: number, second: number) => void): [Float32Array, Float32Array] {
  const [first, second] = [makeVector(backend, new Float32Array(columns)), makeVector(backend, new Float32Array(columns))];
  add(addressOf(backend, first), addressOf(backend, second));
  const sums: [Float32Array, Float32Array] = [floatsOf(backend, first).slice(), floatsOf(backend, second).slice()];
  for (const used of [first, second]) backend.disposeData(used.dataId);
  return sums;
}

/** The mean and the biased variance of each column, in one pass. The pivot is near the mean, so no digits are lost. */
function momentsOf(backend: BackendWasm, x: tf.Tensor, size: MatrixSize): { means: Float32Array; variances: Float32Array } {
  const { rows, columns } = size;
  const xAt = addressOf(backend, x);
  const first = Math.min(rows, PIVOT_ROWS);
  const [firstSums] = sumsOf(backend, columns, (sum) => sumColumns(backend, { x: xAt, sum }, { rows: first, columns }));
  const pivots = firstSums.map((sum) => sum / first);
  const pivot = makeVector(backend, pivots);
  const [sums, squares] = sumsOf(backend, columns, (sum, squared) =>
    sumMoments(backend, { x: xAt, pivot: addressOf(backend, pivot), sum, squares: squared }, size),
  );
  const means = sums.map((sum, c) => pivots[c]! + sum / rows);
  const variances = squares.map((square, c) => Math.max(0, square / rows - (sums[c]! / rows) ** 2));
  backend.disposeData(pivot.dataId);
  return { means, variances };
}

/** Answers y, the running mean and the running variance; and, for the gradient, mean, 1 / deviation and scale / deviation. */
const train: KernelBody<tf.TensorInfo[]> = ({ inputs, attrs, backend }) => {
  const { x, scale, offset, mean, variance } = inputs as Record<'x' | 'scale' | 'offset' | 'mean' | 'variance', tf.Tensor>;
  const { epsilon, share } = attrs as { epsilon: number; share: number };
  const size = sizeOf(x, scale.size);
  const { means, variances } = momentsOf(backend, x, size);
  const y = backend.makeOutput([...x.shape], 'float32');
  const unbiased = size.rows / Math.max(size.rows - 1, 1);
  const runningMeans = floatsOf(backend, mean).map((old, c) => old + share * (means[c]! - old));
  const runningVariances = floatsOf(backend, variance).map((old, c) => old + share * (variances[c]! * unbiased - old));
  const inverses = variances.map((value) => 1 / Math.sqrt(value + epsilon));
  const factors = floatsOf(backend, scale).map((value, c) => value * inverses[c]!);
  const shifts = floatsOf(backend, offset).map((value, c) => value - means[c]! * factors[c]!);
  const outputs = [runningMeans, runningVariances, means, inverses, factors].map((values) => makeVector(backend, values));
  const [shift, factor] = [makeVector(backend, shifts), outputs[4] as tf.TensorInfo];
  const addresses = {
    x: addressOf(backend, x),
    factor: addressOf(backend, factor),
    shift: addressOf(backend, shift),
    y: addressOf(backend, y),
  };
  scaleAndShift(backend, addresses, size);
  backend.disposeData(shift.dataId);
  return [y, ...outputs];
};

/** With hat = (x - mean) / deviation: dx = scale / deviation (dy - mean(dy) - hat mean(dy hat)). Answers dx, dscale, doffset. */
const differentiate: KernelBody<tf.TensorInfo[]> = ({ inputs, backend }) => {
  const { dy, x, mean, variance: inverse, extra: factor } = inputs as Record<'dy' | 'x' | 'mean' | 'variance' | 'extra', tf.Tensor>;
  const size = sizeOf(x, mean.size);
  const [dyAt, xAt] = [addressOf(backend, dy), addressOf(backend, x)];
  const [sums, products] = sumsOf(backend, size.columns, (sum, product) =>
    sumProducts(backend, { dy: dyAt, x: xAt, mean: addressOf(backend, mean), sum, products: product }, size),
  );
  const dx = backend.makeOutput([...x.shape], 'float32');
  const [means, inverses, factors] = [floatsOf(backend, mean), floatsOf(backend, inverse), floatsOf(backend, factor)];
  const slopes = products.map((product, c) => -factors[c]! * inverses[c]! ** 2 * (product / size.rows));
  const shifts = sums.map((sum, c) => -factors[c]! * (sum / size.rows) - slopes[c]! * means[c]!);
  const dScale = makeVector(
    backend,
    products.map((product, c) => product * inverses[c]!),
  );
  const [dOffset, b, c] = [makeVector(backend, sums), makeVector(backend, slopes), makeVector(backend, shifts)];
  const vectors = { a: addressOf(backend, factor), b: addressOf(backend, b), c: addressOf(backend, c) };
  combine(backend, { dy: dyAt, x: xAt, ...vectors, dx: addressOf(backend, dx) }, size);
  for (const used of [b, c]) backend.disposeData(used.dataId);
  return [dx, dScale, dOffset];
};

export const batchNormTrainings: readonly WasmKernel[] = [
  { name: BATCH_NORM_TRAINING, build: () => train },
  { name: BATCH_NORM_TRAINING_GRADIENT, build: () => differentiate },
];
