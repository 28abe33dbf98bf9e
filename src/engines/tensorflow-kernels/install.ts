/** Puts the kernels and gradients of this folder into tfjs's registries, over tfjs's own where it has one. */

import * as tf from '@tensorflow/tfjs-core';
import { activationGradientKernels, activationGradients } from './activation-gradient.js';
import { batchNormGradient, batchNormKernels } from './batch-norm.js';
import { expandDims } from './expand-dims.js';
import type { KernelCall } from './node-backend.js';

const KERNELS = [...activationGradientKernels, ...batchNormKernels, expandDims];

let installed = false;

/** Once per process; tfjs's own kernels and gradients must be registered before. */
export function installTensorflowKernels(): void {
  if (installed) return;
  installed = true;
  for (const { name, run } of KERNELS) {
    if (tf.getKernel(name, 'tensorflow') !== undefined) tf.unregisterKernel(name, 'tensorflow');
    const kernelFunc = ({ attrs = {}, ...call }: Omit<KernelCall, 'attrs'> & Partial<Pick<KernelCall, 'attrs'>>) => run({ attrs, ...call });
    tf.registerKernel({ kernelName: name, backendName: 'tensorflow', kernelFunc: kernelFunc as unknown as tf.KernelFunc });
  }
  for (const gradient of [...activationGradients(), batchNormGradient]) tf.registerGradient(gradient);
}
