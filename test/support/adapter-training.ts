/** A stage whose loss trains a regressor beside the student: a hint by a 1x1 convolution (Romero et al., arXiv 1412.6550). */

import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import type { LossMethod } from '../../src/losses/loss-method.js';
import { joinTerms } from '../../src/losses/stage-loss.js';
import type { StepTraining } from '../../src/step/trainer.js';
import type { SampleSpec } from '../../src/tensor/knowledge.js';
import { distilStage } from './training.js';

const RELU: SampleSpec = { of: 'tap', layer: 'relu', reduce: null };

/** Half the squared distance of the regressed map from the other side's, summed over the batch. */
const hint: LossMethod = {
  sum({ student: [own], other: [theirs], adapters }) {
    const regressed = tf.add(tf.conv2d(own as tf.Tensor4D, adapters.kernel as tf.Tensor4D, 1, 'same'), adapters.bias!);
    const sum = tf.mul(tf.sum(tf.squaredDifference(regressed, theirs!)), 0.5) as tf.Scalar;
    return { sum, count: own!.shape[0] as number };
  },
};

/** Trains `normModel` (test/support/training.ts), whose maps have 4 channels, against the other side's map of `shape` [H, W, channels]. */
export function adapterTraining(optimizer: OptimizerRecipe, shape: readonly [number, number, number], seed = 5): StepTraining {
  const [height, width, channels] = shape;
  const plan = { key: 'hint', weight: 1, knobs: {}, settings: { taps: [], weights: [], constants: {} } };
  const adapters = [
    { name: 'kernel', shape: [1, 1, 4, channels], initial: 'kaiming', decays: true },
    { name: 'bias', shape: [channels], initial: 0.25, decays: false },
  ] as const;
  const loss = joinTerms({ weight: 1, smoothing: 0 }, [
    { plan, from: 'teacher', needs: { student: [RELU], other: [RELU], adapters }, method: hint },
  ]);
  return { stage: distilStage({ optimizer }), loss, otherShapes: [[height, width, channels]], seed };
}
