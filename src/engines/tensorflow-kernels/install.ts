/** Puts the kernels of this folder into tfjs's registry, over tfjs's own where it has one, and the gradients that run them. */

import * as tf from '@tensorflow/tfjs-core';
import { installKernelGradients } from '../kernel-gradient.js';
import { activationGradientKernels } from './activation-gradient.js';
import { batchNormKernels } from './batch-norm.js';
import { expandDims } from './expand-dims.js';
import { gather } from './gather.js';
import type { KernelCall } from './node-backend.js';

const KERNELS = [...activationGradientKernels, ...batchNormKernels, expandDims, gather];

let installed = false;

/** Once per process; tfjs's own kernels must be registered before. */
export function installTensorflowKernels(): void {
  if (installed) return;
  installed = true;
  for (const { name, run } of KERNELS) {
    if (tf.getKernel(name, 'tensorflow') !== undefined) tf.unregisterKernel(name, 'tensorflow');
    const kernelFunc = ({ attrs = {}, ...call }: Omit<KernelCall, 'attrs'> & Partial<Pick<KernelCall, 'attrs'>>) => run({ attrs, ...call });
    tf.registerKernel({ kernelName: name, backendName: 'tensorflow', kernelFunc: kernelFunc as unknown as tf.KernelFunc });
  }
  installKernelGradients();
}
