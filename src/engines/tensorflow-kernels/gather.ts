/** GatherV2 without reading the indices back. tfjs checks each index in JavaScript, but TensorFlow checks them anyway. */

import * as tf from '@tensorflow/tfjs-core';
import { attributesFor, type TensorflowKernel } from './node-backend.js';

export const gather: TensorflowKernel = {
  name: tf.GatherV2,
  run({ inputs, attrs, backend }) {
    const { x, indices } = inputs as Record<'x' | 'indices', tf.TensorInfo>;
    const axis = tf.scalar(attrs.axis as number, 'int32');
    const attributes = attributesFor(backend, {
      types: { Tparams: x.dtype, Tindices: indices.dtype, Taxis: 'int32' },
      ints: { batch_dims: attrs.batchDims as number },
    });
    const gathered = backend.executeSingleOutput('GatherV2', attributes, [x, indices, axis]);
    axis.dispose();
    return gathered;
  },
};
