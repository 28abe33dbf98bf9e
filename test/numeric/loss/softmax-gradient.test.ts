/** The parts that losses are made of: the divergence of each sample, and a weight that the gradient takes for a constant. */

import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import { constant, softmaxDivergencePerSample } from '../../../src/losses/softmax-gradient.js';
import { describeEachEngine } from '../../support/each-engine.js';

describeEachEngine(() => {
  test('a constant has the value, and no gradient: x times itself as a constant has the gradient x', () => {
    tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((x) => tf.sum(tf.mul(x, constant(x))))(tf.tensor1d([3, -2]));
      expect([...value.dataSync()]).toEqual([13]);
      expect([...grad.dataSync()]).toEqual([3, -2]);
    });
  });

  test('the divergences are those of the rows, in their order', () => {
    tf.tidy(() => {
      const [teacher, own] = [
        tf.tensor2d([
          [Math.log(4), 0],
          [0, 0],
        ]),
        tf.zeros([2, 2]) as tf.Tensor2D,
      ];
      const found = softmaxDivergencePerSample(teacher, own).dataSync();
      expect(found[0]).toBeCloseTo(0.192745, 5);
      expect(found[1]).toBeCloseTo(0, 6);
    });
  });
});
