/**
 * BatchNorm in training mode as the two operations FusedBatchNormV3 and FusedBatchNormGradV3. The first also updates the
 * running statistics by the rule of src/nn/batch-norm.ts: the running variance uses the batch's unbiased variance.
 */

import * as tf from '@tensorflow/tfjs-core';
import { BATCH_NORM_TRAINING } from '../../nn/batch-norm.js';
import { BATCH_NORM_TRAINING_GRADIENT } from '../kernel-gradient.js';
import { attributesFor, type KernelCall, type NodeBackend, type TensorflowKernel } from './node-backend.js';

function attributes(backend: NodeBackend, epsilon: unknown, floats: Readonly<Record<string, number>>) {
  return attributesFor(backend, {
    types: { T: 'float32', U: 'float32' },
    floats: { epsilon: epsilon as number, ...floats },
    strings: { data_format: 'NHWC' },
    bools: { is_training: true },
  });
}

/** Answers y, the running mean, the running variance, and three tensors for the gradient. */
function forward({ inputs, attrs, backend }: KernelCall): tf.TensorInfo[] {
  const { x, scale, offset, mean, variance } = inputs as Record<'x' | 'scale' | 'offset' | 'mean' | 'variance', tf.TensorInfo>;
  const list = attributes(backend, attrs.epsilon, { exponential_avg_factor: attrs.share as number });
  return backend.executeMultipleOutputs('FusedBatchNormV3', list, [x, scale, offset, mean, variance], 6);
}

/** Answers the gradients for x, scale and offset. */
function backward({ inputs, attrs, backend }: KernelCall): tf.TensorInfo[] {
  const { dy, x, scale, mean, variance, extra } = inputs as Record<'dy' | 'x' | 'scale' | 'mean' | 'variance' | 'extra', tf.TensorInfo>;
  const list = attributes(backend, attrs.epsilon, {});
  const [dx, dScale, dOffset, ...unused] = backend.executeMultipleOutputs(
    'FusedBatchNormGradV3',
    list,
    [dy, x, scale, mean, variance, extra],
    5,
  );
  tf.dispose(unused);
  return [dx, dScale, dOffset] as tf.TensorInfo[];
}

export const batchNormKernels: readonly TensorflowKernel[] = [
  { name: BATCH_NORM_TRAINING, run: forward },
  { name: BATCH_NORM_TRAINING_GRADIENT, run: backward },
];
