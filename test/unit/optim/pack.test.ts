import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { assignPack, packTensors, packVariables } from '../../../src/optim/pack.js';

beforeAll(() => openEngine('cpu'));

const made: tf.Variable[] = [];
afterEach(() => tf.dispose(made.splice(0)));

function variable(...shape: number[]): tf.Variable {
  const one = tf.tidy(() => tf.variable(tf.zeros(shape)));
  made.push(one);
  return one;
}

test.each([
  ['small ones share a pack', [[2], [3], [2, 2]], 9, [[0, 1, 2]]],
  ['a pack is closed before it is too large', [[2], [3], [2, 2]], 8, [[0, 1], [2]]],
  ['one that is too large for any has its own', [[2], [20], [3], [1]], 8, [[0], [1], [2, 3]]],
])('%s', (_, shapes, most, groups) => {
  const variables = shapes.map((shape) => variable(...shape));
  const packs = packVariables(
    variables.map((one) => ({ variable: one, decays: true })),
    most,
  );
  expect(packs.map((pack) => pack.variables.map((one) => variables.indexOf(one)))).toEqual(groups);
});

test('those that decay are apart from those that do not', () => {
  const [kernel, gamma, other, beta] = [variable(2, 2), variable(2), variable(2, 3), variable(2)];
  const of = (one: tf.Variable, decays: boolean) => ({ variable: one, decays });
  expect(packVariables([of(kernel, true), of(gamma, false), of(other, true), of(beta, false)])).toEqual([
    { variables: [kernel, other], decays: true, shape: [10] },
    { variables: [gamma, beta], decays: false, shape: [4] },
  ]);
});

test.each([
  ['several, each in its shape', [[2, 2], [3], [1, 1, 2]]],
  ['one alone, which is not copied', [[2, 2]]],
])('what is packed comes apart again: %s', (_, shapes) => {
  const variables = shapes.map((shape) => variable(...shape));
  const [pack] = packVariables(variables.map((one) => ({ variable: one, decays: false })));
  const values = shapes.map((shape, i) => tf.fill(shape, i + 1));
  tf.tidy(() => {
    const packed = packTensors(values);
    expect(packed.shape).toEqual(pack!.shape);
    assignPack(pack!, packed);
  });
  expect(variables.map((one) => [one.shape, one.dataSync()])).toEqual(values.map((value) => [value.shape, value.dataSync()]));
  tf.dispose(values);
});
