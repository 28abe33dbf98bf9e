/** The gradients of activations as one operation of TensorFlow each. tfjs composes them of several passes over the batch. */

import type * as tf from '@tensorflow/tfjs-core';
import type { ActivationGradientKernel } from '../kernel-gradient.js';
import { attributesFor, type TensorflowKernel } from './node-backend.js';

/** The names of the operations. TensorFlow has none for the gradient of clipping. */
type Operation = Exclude<ActivationGradientKernel, 'ClipByValueGrad'>;

/** TensorFlow's operations have the kernels' names. True when the operation takes `dy` before `saved`. */
const GRADIENT_FIRST: Readonly<Record<Operation, boolean>> = {
  ReluGrad: true,
  Relu6Grad: true,
  LeakyReluGrad: true,
  SigmoidGrad: false,
  TanhGrad: false,
};

export const activationGradientKernels: readonly TensorflowKernel[] = Object.entries(GRADIENT_FIRST).map(([operation, gradientFirst]) => ({
  name: operation,
  run({ inputs, attrs, backend }) {
    const { dy, saved } = inputs as Record<'dy' | 'saved', tf.TensorInfo>;
    const floats = attrs.alpha === undefined ? {} : { alpha: attrs.alpha as number };
    return backend.executeSingleOutput(
      operation,
      attributesFor(backend, { types: { T: 'float32' }, floats }),
      gradientFirst ? [dy, saved] : [saved, dy],
    );
  },
}));
