/**
 * The gradients of activations that tfjs composes of several passes over the batch and TensorFlow has as one operation.
 * tfjs keeps one gradient for all engines: those that have no kernel of the name go on with tfjs's own.
 */

import * as tf from '@tensorflow/tfjs-core';
import { attributesFor, type TensorflowKernel } from './node-backend.js';

interface ActivationGradient {
  /** tfjs's name of the activation. */
  readonly activation: string;
  /** TensorFlow's operation, by which name the kernel goes as well. */
  readonly operation: string;
  /** What tfjs saves for the gradient, which must serve its own gradient too. */
  readonly saves: 'input' | 'output';
  /** Whether the operation takes the gradient before what was saved. */
  readonly gradientFirst: boolean;
}

/** Of ReLU the output is saved, which the next layer keeps anyway; its sign is the input's. */
const GRADIENTS: readonly ActivationGradient[] = [
  { activation: tf.Relu, operation: 'ReluGrad', saves: 'output', gradientFirst: true },
  { activation: tf.Relu6, operation: 'Relu6Grad', saves: 'input', gradientFirst: true },
  { activation: tf.LeakyRelu, operation: 'LeakyReluGrad', saves: 'input', gradientFirst: true },
  { activation: tf.Sigmoid, operation: 'SigmoidGrad', saves: 'output', gradientFirst: false },
  { activation: tf.Tanh, operation: 'TanhGrad', saves: 'output', gradientFirst: false },
];

export const activationGradientKernels: readonly TensorflowKernel[] = GRADIENTS.map(({ operation, gradientFirst }) => ({
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

/** To be registered in place of tfjs's own, which must be there. */
export function activationGradients(): tf.GradConfig[] {
  return GRADIENTS.map(({ activation, operation, saves }) => {
    const stock = tf.getGradient(activation);
    return {
      kernelName: activation,
      ...(saves === 'input' ? { inputsToSave: ['x'] } : { outputsToSave: [true] }),
      gradFunc(dys, saved, attrs) {
        const dy = dys as tf.Tensor;
        if (tf.getKernel(operation, tf.getBackend()) === undefined) return stock.gradFunc(dy, saved, attrs);
        return { x: () => tf.engine().runKernel<tf.Tensor>(operation, { dy, saved: saved[0] as tf.Tensor }, attrs) };
      },
    };
  });
}
