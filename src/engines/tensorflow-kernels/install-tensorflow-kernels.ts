/** Registers the kernels of this folder with tfjs, in place of tfjs's own, and the gradients that run them. */

import * as tf from '@tensorflow/tfjs-core';
import { installKernelGradients } from '../kernel-gradient.js';
import { activationGradientKernels } from './activation-gradient.js';
import { batchNormKernels } from './batch-norm.js';
import { expandDims } from './expand-dims.js';
import { gather } from './gather.js';
import type { KernelCall } from './node-backend.js';

const KERNELS = [...activationGradientKernels, ...batchNormKernels, expandDims, gather];

let installed = false;

/** Registers all kernels and gradients. Only the first call in a process does anything. tfjs's own kernels must be registered before. */
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
