/** Registers the kernels of this folder with tfjs for the backend `wasm`, in place of tfjs's own, and the gradients that run them. */

import * as tf from '@tensorflow/tfjs-core';
import { installKernelGradients } from '../kernel-gradient.js';
import { activationGradients } from './activation-gradient.js';
import { batchNorms } from './batch-norm.js';
import { batchNormTrainings } from './batch-norm-training.js';
import { biasAdds } from './bias-add.js';
import { blockCopies } from './block-copy.js';
import { convolutions } from './convolution.js';
import { convolutionFilterGradients } from './convolution-filter-gradient.js';
import { convolutionInputGradients } from './convolution-input-gradient.js';
import { depthwiseFilterGradients } from './depthwise-filter-gradient.js';
import { depthwiseInputGradients } from './depthwise-input-gradient.js';
import { identityCasts } from './identity-cast.js';
import { matrixProducts } from './matrix-product.js';
import { oneHots } from './one-hot.js';
import { poolingGradients } from './pooling-gradient.js';
import { reductions } from './reduction.js';
import { segmentSums } from './segment-sum.js';
import type { KernelBody } from './wasm-kernel.js';

const KERNELS = [
  ...activationGradients,
  ...biasAdds,
  ...blockCopies,
  ...batchNorms,
  ...batchNormTrainings,
  ...convolutions,
  ...convolutionFilterGradients,
  ...convolutionInputGradients,
  ...depthwiseFilterGradients,
  ...depthwiseInputGradients,
  ...matrixProducts,
  ...oneHots,
  ...poolingGradients,
  ...reductions,
  ...segmentSums,
  ...identityCasts,
];

let installed = false;

/** Registers all kernels and gradients. Only the first call in a process does anything. tfjs's own kernels must be registered before. */
export function installWasmKernels(): void {
  if (installed) return;
  installed = true;
  const stock = new Map(tf.getKernelsForBackend('wasm').map((kernel) => [kernel.kernelName, kernel]));
  for (const { name, build } of KERNELS) {
    const replaced = stock.get(name);
    if (replaced !== undefined) tf.unregisterKernel(name, 'wasm');
    const body = build((wanted) => (stock.get(wanted)?.kernelFunc ?? missing(wanted)) as KernelBody);
    // `replaced` also has a set-up function, which must run for kernels that call tfjs's own one.
    tf.registerKernel({ ...replaced, kernelName: name, backendName: 'wasm', kernelFunc: body as unknown as tf.KernelFunc });
  }
  installKernelGradients();
}

function missing(name: string): KernelBody {
  return () => {
    throw new Error(`tfjs has no kernel ${name} for wasm`);
  };
}
