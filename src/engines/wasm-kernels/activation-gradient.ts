/** Gradients of activations in one pass over the batch. tfjs composes them of several passes. */

import type * as tf from '@tensorflow/tfjs-core';
import type { ActivationGradientKernel } from '../kernel-gradient.js';
import type { Lanes, Value } from './assembler.js';
import { columnLoopOn } from './column-loop.js';
import { addressOf } from './loop-module.js';
import { type KernelBody, makeVector, type WasmKernel } from './wasm-kernel.js';

/** The column loop runs over the numbers of a tensor as a matrix with this number of columns. */
const COLUMNS = 16;

interface Values {
  readonly dy: Value;
  /** The activation's input or output, as kernel-gradient.ts says. */
  readonly saved: Value;
  /** The two numbers of `constants`. */
  readonly first: Value;
  readonly second: Value;
}

interface ActivationGradient {
  /** Two numbers for `compute`, from the activation's attributes. */
  readonly constants?: (attrs: Record<string, unknown>) => readonly [number, number];
  readonly compute: (values: Values, lanes: Lanes) => Value;
}

const GRADIENTS: Readonly<Record<ActivationGradientKernel, ActivationGradient>> = {
  ReluGrad: { compute: ({ dy, saved }, { whereGreater, zero }) => whereGreater(saved, zero, dy) },
  Relu6Grad: {
    constants: () => [0, 6],
    compute: ({ dy, saved, second }, { whereGreater, whereEqual, minimum, zero }) =>
      whereGreater(saved, zero, whereEqual(minimum(saved, second), saved, dy)),
  },
  ClipByValueGrad: {
    constants: (attrs) => [attrs.clipValueMin as number, attrs.clipValueMax as number],
    compute: ({ dy, saved, first, second }, { whereEqual, minimum, maximum }) =>
      whereEqual(maximum(minimum(saved, second), first), saved, dy),
  },
  LeakyReluGrad: {
    constants: (attrs) => [attrs.alpha as number, 1 - (attrs.alpha as number)],
    compute: ({ dy, saved, first, second }, { add, multiply, whereGreater, zero }) =>
      add(multiply(dy, first), whereGreater(saved, zero, multiply(dy, second))),
  },
  SigmoidGrad: { compute: ({ dy, saved }, { multiply, subtract }) => multiply(dy, subtract(saved, multiply(saved, saved))) },
  TanhGrad: { compute: ({ dy, saved }, { multiply, subtract }) => subtract(dy, multiply(dy, multiply(saved, saved))) },
};

function gradient({ constants, compute }: ActivationGradient): KernelBody {
  const loop = columnLoopOn({
    reads: ['dy', 'saved'],
    columns: ['first', 'second'],
    writes: ['dx'],
    compute: (values, lanes) => ({ dx: compute(values, lanes) }),
  });
  return ({ inputs, attrs, backend }) => {
    const { dy, saved } = inputs as Record<'dy' | 'saved', tf.Tensor>;
    const dx = backend.makeOutput([...dy.shape], 'float32');
    const vectors = (constants?.(attrs) ?? [0, 0]).map((value) => makeVector(backend, new Float32Array(COLUMNS).fill(value)));
    const [first, second] = vectors.map((vector) => addressOf(backend, vector)) as [number, number];
    const rows = Math.floor(dy.size / COLUMNS);
    const run = (start: number, size: { rows: number; columns: number }) => {
      const [dyAt, savedAt, dxAt] = [dy, saved, dx].map((tensor) => addressOf(backend, tensor) + 4 * start) as [number, number, number];
      loop(backend, { dy: dyAt, saved: savedAt, dx: dxAt, first, second }, size);
    };
    run(0, { rows, columns: COLUMNS });
    run(rows * COLUMNS, { rows: 1, columns: dy.size - rows * COLUMNS });
    for (const vector of vectors) backend.disposeData(vector.dataId);
    return dx;
  };
}

export const activationGradients: readonly WasmKernel[] = Object.entries(GRADIENTS).map(([name, written]) => ({
  name,
  build: () => gradient(written),
}));
