/** Losses as users write them, in plain tfjs, that the repository does not have. Axes: B batch, K classes. */

import * as tf from '@tensorflow/tfjs-core';
import type { LossSum } from '../../src/losses/loss-method.js';
import { constant, softmaxDivergencePerSample } from '../../src/losses/softmax-gradient.js';
import type { LabelLoss, LossBatch, TeacherLoss } from './other-loss.js';

function oneHotOf({ logits_BK, labels_B }: LossBatch): tf.Tensor2D {
  return tf.cast(tf.oneHot(labels_B, logits_BK.shape[1]), 'float32') as tf.Tensor2D;
}

function summed(perSample: tf.Tensor, { logits_BK }: LossBatch): LossSum {
  return { sum: tf.sum(perSample) as tf.Scalar, count: logits_BK.shape[0] };
}

/** In the place of the cross-entropy. */
export const LABEL_LOSSES: Readonly<Record<string, LabelLoss>> = {
  /** Lin et al., arXiv 1708.02002: -(1 - p)^2 log p. */
  focal(batch) {
    const log = tf.sum(tf.mul(tf.logSoftmax(batch.logits_BK), oneHotOf(batch)), 1);
    return summed(tf.neg(tf.mul(tf.pow(tf.sub(1, tf.exp(log)), 2), log)), batch);
  },
  /** By how much each other class comes within 1 of the label's. */
  margin(batch) {
    const isLabel = oneHotOf(batch);
    const own = tf.sum(tf.mul(batch.logits_BK, isLabel), 1, true);
    return summed(tf.mul(tf.relu(tf.add(tf.sub(batch.logits_BK, own), 1)), tf.sub(1, isLabel)), batch);
  },
  'cross-entropy weighted by class'(batch) {
    return weighted(batch, tf.linspace(0.5, 2, batch.logits_BK.shape[1]));
  },
};

/** Weights made once and kept, as users do; to be disposed. */
export function weightedByKeptWeights(): { readonly loss: LabelLoss; dispose(): void } {
  const weights_K = tf.tensor1d([0.5, 2, 1, 0.7, 1.5]);
  return { loss: (batch) => weighted(batch, weights_K), dispose: () => weights_K.dispose() };
}

function weighted(batch: LossBatch, weights_K: tf.Tensor1D): LossSum {
  const isLabel = oneHotOf(batch);
  const weight = tf.expandDims(tf.gather(weights_K, batch.labels_B), 1);
  return summed(tf.mul(tf.neg(weight), tf.sum(tf.mul(tf.logSoftmax(batch.logits_BK), isLabel), 1, true)), batch);
}

/** In the place of Hinton's term. */
export const TEACHER_LOSSES: Readonly<Record<string, TeacherLoss>> = {
  /** Ba & Caruana, arXiv 1312.6184. */
  'squared error of logits'(batch) {
    return summed(tf.squaredDifference(batch.logits_BK, batch.targets_BK), batch);
  },
  /** Each sample by a weight of the student's own that the gradient takes for a constant. */
  'divergence with constant weights'(batch) {
    const divergence_B = softmaxDivergencePerSample(batch.targets_BK, batch.logits_BK);
    return summed(tf.mul(divergence_B, constant(tf.exp(tf.neg(divergence_B)))), batch);
  },
  /** The student's log to the teacher's, with a temperature that changes. */
  'reverse divergence'(batch, temperature) {
    const own = tf.logSoftmax(tf.div(batch.logits_BK, temperature));
    const teacher = tf.logSoftmax(tf.div(batch.targets_BK, temperature));
    return summed(tf.mul(tf.mul(tf.exp(own), tf.sub(own, teacher)), tf.square(temperature)), batch);
  },
  /** Park et al., arXiv 1904.05068: the distances between the samples of a batch, by their mean, under Huber's loss. */
  'relations between samples'(batch) {
    const distances = (logits: tf.Tensor2D) => {
      const squares = tf.sum(tf.square(logits), 1, true);
      const product = tf.matMul(logits, logits, false, true);
      const squared = tf.sub(tf.add(squares, tf.transpose(squares)), tf.mul(product, 2));
      const distance = tf.sqrt(tf.add(tf.relu(squared), 1e-6));
      return tf.div(distance, tf.mean(distance));
    };
    const error = tf.abs(tf.sub(distances(batch.logits_BK), distances(batch.targets_BK)));
    const quadratic = tf.minimum(error, tf.onesLike(error));
    return summed(tf.add(tf.mul(tf.square(quadratic), 0.5), tf.sub(error, quadratic)), batch);
  },
  /** Huang et al., arXiv 2205.10536: one less the correlation of the two distributions. */
  correlation(batch, temperature) {
    const centred = (logits: tf.Tensor) => {
      const probabilities = tf.softmax(tf.div(logits, temperature) as tf.Tensor2D);
      return tf.sub(probabilities, tf.mean(probabilities, 1, true));
    };
    const [own, teacher] = [centred(batch.logits_BK), centred(batch.targets_BK)];
    const norms = tf.mul(tf.norm(own, 2, 1), tf.norm(teacher, 2, 1));
    return summed(tf.sub(1, tf.div(tf.sum(tf.mul(own, teacher), 1), tf.add(norms, 1e-6))), batch);
  },
};
