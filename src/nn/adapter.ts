/**
 * The variables of a loss's adapters: trainable tensors beside the model, for example a regressor between two feature maps. They
 * lie in the arena behind the model's own weights (`arenaSchemaOf`).
 */

import * as tf from '@tensorflow/tfjs-core';
import { hashString, Prng } from '../base/prng.js';
import { sizeOf } from '../tensor/tensor.js';
import { fansOf } from './initialise.js';

export interface AdapterVariable {
  /** Unique in the stage. */
  readonly name: string;
  readonly shape: readonly number[];
  /** `kaiming`: normal with variance 2 / fan out (He et al., arXiv 1502.01852). A number: every element has this value. */
  readonly initial: 'kaiming' | number;
}

/** Makes one variable for each adapter, in their order. The values depend on seed and name alone. The caller disposes them. */
export function createAdapters(adapters: readonly AdapterVariable[], seed: number): tf.Variable[] {
  return adapters.map(({ name, shape, initial }) => {
    const values = new Float32Array(sizeOf(shape));
    if (initial === 'kaiming') drawKaiming(values, shape, new Prng(seed, hashString(name)));
    else values.fill(initial);
    const start = tf.tensor(values, [...shape]);
    const variable = tf.variable(start);
    start.dispose();
    return variable;
  });
}

function drawKaiming(values: Float32Array, shape: readonly number[], random: Prng): void {
  const deviation = Math.sqrt(2 / fansOf(shape).fanOut);
  for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
}
