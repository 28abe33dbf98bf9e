/** A process that opens a second engine, as tests do: its gradients run that engine's kernels, not tfjs's own. */

import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

describeTensorflow('tensorflow after wasm', () => {
  test('the gradient of ReLU is the one kernel of the engine', async () => {
    await openEngine('wasm');
    await openEngine('tensorflow');
    const x = tf.tensor([-1, 2]);
    const { kernelNames } = await tf.profile(() =>
      tf
        .grad((input) => tf.relu(input))(x)
        .dispose(),
    );
    expect(kernelNames).toContain('ReluGrad');
    x.dispose();
  });
});
