/** ExpandDims with its type attributes. tfjs leaves them out, but a graph of recorded operations needs them. */

import * as tf from '@tensorflow/tfjs-core';
import { attributesFor, type TensorflowKernel } from './node-backend.js';

export const expandDims: TensorflowKernel = {
  name: tf.ExpandDims,
  run({ inputs, attrs, backend }) {
    const { input } = inputs as Record<'input', tf.TensorInfo>;
    const axis = tf.scalar(attrs.dim as number, 'int32');
    const expanded = backend.executeSingleOutput('ExpandDims', attributesFor(backend, { types: { T: input.dtype, Tdim: 'int32' } }), [
      input,
      axis,
    ]);
    axis.dispose();
    return expanded;
  },
};
