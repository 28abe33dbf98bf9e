/** Puts the kernels of this folder into tfjs's registry for the backend `wasm`, over tfjs's own where it has one, and the gradients that run them. */

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
import { matrixProducts } from './matrix-product.js';
import { oneHots } from './one-hot.js';
import { poolingGradients } from './pooling-gradient.js';
import { reductions } from './reduction.js';
import { segmentSums } from './segment-sum.js';
import { sharingKernels } from './sharing.js';
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
  ...sharingKernels,
];

let installed = false;

/** Registers every kernel, once per process. tfjs's own kernels must be registered before. */
export function installWasmKernels(): void {
  if (installed) return;
  installed = true;
  const stock = new Map(tf.getKernelsForBackend('wasm').map((kernel) => [kernel.kernelName, kernel]));
  for (const { name, build } of KERNELS) {
    const replaced = stock.get(name);
    if (replaced !== undefined) tf.unregisterKernel(name, 'wasm');
    const body = build((wanted) => (stock.get(wanted)?.kernelFunc ?? missing(wanted)) as KernelBody);
    // `replaced` brings its set-up along: kernels that call it need it.
    tf.registerKernel({ ...replaced, kernelName: name, backendName: 'wasm', kernelFunc: body as unknown as tf.KernelFunc });
  }
  installKernelGradients();
}

function missing(name: string): KernelBody {
  return () => {
    throw new Error(`tfjs has no kernel ${name} for wasm`);
  };
}
