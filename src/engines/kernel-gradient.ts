/**
 * Gradients that run one kernel of their own on the engines that have it. tfjs keeps one gradient for all engines: those
 * without the kernel go on with tfjs's own, or never come here.
 */

import * as tf from '@tensorflow/tfjs-core';
// tfjs's own gradients come with its layers, and must be there first.
import '@tensorflow/tfjs-layers';
import { BATCH_NORM_TRAINING } from '../nn/batch-norm.js';

/** Takes `dy` and `saved`, and the activation's attributes. */
export type ActivationGradientKernel = 'ReluGrad' | 'Relu6Grad' | 'ClipByValueGrad' | 'LeakyReluGrad' | 'SigmoidGrad' | 'TanhGrad';

interface ActivationGradient {
  /** tfjs's name of the activation. */
  readonly activation: string;
  readonly kernel: ActivationGradientKernel;
  /** What tfjs saves for the gradient, which must serve its own gradient too. */
  readonly saves: 'input' | 'output';
}

/** Of ReLU the output is saved, which the next layer keeps anyway; its sign is the input's. */
const ACTIVATIONS: readonly ActivationGradient[] = [
  { activation: tf.Relu, kernel: 'ReluGrad', saves: 'output' },
  { activation: tf.Relu6, kernel: 'Relu6Grad', saves: 'input' },
  // A ReLU layer with a largest value.
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

/** Takes dy, x, scale, three that BATCH_NORM_TRAINING puts out after the running statistics, and epsilon; answers dx, dscale, doffset. */
export const BATCH_NORM_TRAINING_GRADIENT = 'BatchNormTrainingGrad';

/** The running statistics get no gradient: nothing that is trained goes into them. */
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

let installed = false;

/** Registers them in place of tfjs's own, once per process. */
export function installKernelGradients(): void {
  if (installed) return;
  installed = true;
  for (const gradient of [...ACTIVATIONS.map(activationGradient), batchNormGradient]) tf.registerGradient(gradient);
}
