/**
 * Gradients that run a single kernel on the engines that have it. tfjs keeps one gradient for all engines, so an engine
 * without the kernel runs tfjs's own gradient here.
 */

import * as tf from '@tensorflow/tfjs-core';
// Importing the layers registers tfjs's own gradients, which must be registered first.
import '@tensorflow/tfjs-layers';
import { BATCH_NORM_TRAINING } from '../nn/batch-norm.js';

/** Kernels with the inputs `dy` and `saved`, of one shape, and the activation's attributes; they answer `dx` of that shape. */
export type ActivationGradientKernel = 'ReluGrad' | 'Relu6Grad' | 'ClipByValueGrad' | 'LeakyReluGrad' | 'SigmoidGrad' | 'TanhGrad';

interface ActivationGradient {
  /** tfjs's name of the activation. */
  readonly activation: string;
  readonly kernel: ActivationGradientKernel;
  /** The tensor that tfjs saves for the gradient. tfjs's own gradient must be able to use it too. */
  readonly saves: 'input' | 'output';
}

/** ReLU saves its output, because the next layer keeps that anyway; it is positive where the input is. */
const ACTIVATIONS: readonly ActivationGradient[] = [
  { activation: tf.Relu, kernel: 'ReluGrad', saves: 'output' },
  { activation: tf.Relu6, kernel: 'Relu6Grad', saves: 'input' },
  // A ReLU layer with a maximum.
  { activation: tf.ClipByValue, kernel: 'ClipByValueGrad', saves: 'input' },
  { activation: tf.LeakyRelu, kernel: 'LeakyReluGrad', saves: 'input' },
  { activation: tf.Sigmoid, kernel: 'SigmoidGrad', saves: 'output' },
  { activation: tf.Tanh, kernel: 'TanhGrad', saves: 'output' },
];

function activationGradient({ activation, kernel, saves }: ActivationGradient): tf.GradConfig {
  const stock = tf.getGradient(activation);
  return {
    kernelName: activation,
    ...(saves === 'input' ? { inputsToSave: ['x'] } : { outputsToSave: [true] }),
    gradFunc(dys, saved, attrs) {
      const dy = dys as tf.Tensor;
      if (tf.getKernel(kernel, tf.getBackend()) === undefined) return stock.gradFunc(dy, saved, attrs);
      return { x: () => tf.engine().runKernel<tf.Tensor>(kernel, { dy, saved: saved[0] as tf.Tensor }, attrs) };
    },
  };
}

/**
 * The kernel of BatchNorm's gradient. Its inputs are dy, x, scale, and the last three outputs of BATCH_NORM_TRAINING; its
 * attribute is epsilon. It answers dx, dscale and doffset.
 */
export const BATCH_NORM_TRAINING_GRADIENT = 'BatchNormTrainingGrad';

/** The running statistics get no gradient, because no trained value depends on them. */
const batchNormGradient: tf.GradConfig = {
  kernelName: BATCH_NORM_TRAINING,
  inputsToSave: ['x', 'scale'],
  outputsToSave: [false, false, false, true, true, true],
  gradFunc(dys, saved, attrs) {
    const [dy] = dys as tf.Tensor[];
    const [x, scale, mean, variance, extra] = saved;
    const inputs = { dy, x, scale, mean, variance, extra } as unknown as tf.NamedTensorMap;
    const epsilon = attrs.epsilon as number;
    const [dx, dScale, dOffset] = tf.engine().runKernel<tf.Tensor[]>(BATCH_NORM_TRAINING_GRADIENT, inputs, { epsilon });
    return { x: () => dx as tf.Tensor, scale: () => dScale as tf.Tensor, offset: () => dOffset as tf.Tensor };
  },
};

let gradients: readonly tf.GradConfig[] | null = null;

/**
 * Registers these gradients in place of tfjs's own. Every engine that is opened calls it: loading the binding of another engine
 * registers tfjs's own ones again.
 */
export function installKernelGradients(): void {
  gradients ??= [...ACTIVATIONS.map(activationGradient), batchNormGradient];
  for (const gradient of gradients) tf.registerGradient(gradient);
}
