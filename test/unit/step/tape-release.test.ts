import * as tf from '@tensorflow/tfjs-core';
// tfjs's gradients come with its layers.
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { holdForward } from '../../../src/step/held-tape.js';

beforeAll(async () => void (await openEngine('cpu')));

type Save = (tensors: tf.Tensor[]) => void;
type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Its gradient is the very tensor that it is given. */
const passThrough = tf.customGrad((...given) => ({
  value: tf.mul(given[0] as tf.Tensor, 1),
  gradFunc: (dy) => dy as tf.Tensor,
})) as Operation;

/** Its gradient is the very tensor that it saved. */
const savedGradient = tf.customGrad((...given) => {
  const [x, save] = given as unknown as [tf.Tensor, Save];
  save([x]);
  return { value: tf.mul(tf.square(x), 0.5), gradFunc: (_dy, [saved]) => saved as tf.Tensor };
}) as Operation;

/** One tensor is the gradient of both inputs. */
const sharedGradient = tf.customGrad((...given) => {
  const [a, b] = given as [tf.Tensor, tf.Tensor];
  return {
    value: tf.add(a, b),
    gradFunc(dy) {
      const both = tf.mul(dy as tf.Tensor, 1);
      return [both, both];
    },
  };
}) as Operation;

function variableOf(values: number[]): tf.Variable {
  const start = tf.tensor1d(values);
  const variable = tf.variable(start);
  start.dispose();
  return variable;
}

const CASES: readonly (readonly [string, (x: tf.Tensor) => tf.Tensor])[] = [
  ['operations of tfjs, one of them read twice', (x) => tf.mul(tf.tanh(x), tf.add(tf.tanh(x), tf.exp(x)))],
  ['a gradient that is the one given', (x) => passThrough(passThrough(tf.tanh(x)))],
  ['a gradient that was saved', (x) => savedGradient(tf.tanh(x))],
  ['a gradient for two inputs', (x) => sharedGradient(tf.tanh(x), tf.sin(x))],
];

test.each(CASES)('%s: as without release', (_, operation) => {
  const variable = variableOf([0.3, -0.7, 1.1]);
  const plain = tf.variableGrads(() => tf.sum(operation(variable)), [variable]);
  const held = holdForward(() => [operation(variable)]);
  const released = held.gradients(() => tf.sum(held.outputs[0] as tf.Tensor), [variable]);
  const [expected, found] = [plain, released].map(({ grads }) => [...(grads[variable.name] as tf.Tensor).dataSync()]);
  tf.dispose([variable, plain, released]);
  expect(found).toEqual(expected);
});

test('what has been passed is gone before the way back ends', () => {
  const variable = variableOf([1, 1]);
  let left = Number.NaN;
  const first = tf.customGrad((...given) => ({
    value: tf.mul(given[0] as tf.Tensor, 1),
    gradFunc(dy) {
      left = tf.memory().numTensors;
      return tf.mul(dy as tf.Tensor, 1);
    },
  })) as Operation;
  const tensorsAtEnd = (depth: number) => {
    const held = holdForward(() => {
      let x = first(variable);
      for (let i = 0; i < depth; i++) x = tf.tanh(x);
      return [x];
    });
    tf.dispose(held.gradients(() => tf.sum(held.outputs[0] as tf.Tensor), [variable]));
    return left;
  };
  expect(tensorsAtEnd(30)).toBe(tensorsAtEnd(3));
  variable.dispose();
});
