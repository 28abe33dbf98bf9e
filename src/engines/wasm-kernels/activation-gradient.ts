/** The gradient of ReLU in one pass; tfjs composes it of three. */

import type * as tf from '@tensorflow/tfjs-core';
import type { ActivationGradientKernel } from '../kernel-gradient.js';

import { columnLoopOn } from './column-loop.js';
import { addressOf } from './loop-module.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

/** Numbers that lie side by side are as good as a matrix of few columns. */
const COLUMNS = 16;

const passWherePositive = columnLoopOn({
  reads: ['dy', 'saved'],
  columns: [],
  writes: ['dx'],
  compute: ({ dy, saved }, { whereGreater, zero }) => ({ dx: whereGreater(saved, zero, dy) }),
});

const reluGradient: KernelBody = ({ inputs, backend }) => {
  const { dy, saved } = inputs as Record<'dy' | 'saved', tf.Tensor>;
  const dx = backend.makeOutput([...dy.shape], 'float32');
  const addresses = { dy: addressOf(backend, dy), saved: addressOf(backend, saved), dx: addressOf(backend, dx) };
  const rows = Math.floor(dy.size / COLUMNS);
  const rest = dy.size - rows * COLUMNS;
  passWherePositive(backend, addresses, { rows, columns: COLUMNS });
  const after = 4 * rows * COLUMNS;
  passWherePositive(
    backend,
    { dy: addresses.dy + after, saved: addresses.saved + after, dx: addresses.dx + after },
    { rows: 1, columns: rest },
  );
  return dx;
};

const RELU: ActivationGradientKernel = 'ReluGrad';

export const activationGradients: readonly WasmKernel[] = [{ name: RELU, build: () => reluGradient }];
