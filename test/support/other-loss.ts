/** Losses that the repository does not have, in the place of its own. Axes: B batch, K classes. */

import * as tf from '@tensorflow/tfjs-core';
import type { PeerRecipe } from '../../src/config/schema.js';
import { labelLoss } from '../../src/losses/label-loss.js';
import type { LossSum } from '../../src/losses/loss-method.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { trainingOf } from './training.js';

/** The inputs of these losses. */
export interface LossBatch {
  readonly logits_BK: tf.Tensor2D;
  readonly labels_B: tf.Tensor1D;
}
export interface TaughtBatch extends LossBatch {
  readonly targets_BK: tf.Tensor2D;
}

export type LabelLoss = (batch: LossBatch) => LossSum;
export type TeacherLoss = (batch: TaughtBatch, temperature: tf.Scalar) => LossSum;

/** The repository's own. */
export const stockLabelLoss: LabelLoss = ({ logits_BK, labels_B }) =>
  labelLoss({ logits_BK, labels: { class_B: labels_B, mixed: null }, epsilon: 0 });

/** A train stage with this loss in the place of that of the labels. */
export function withLabelLoss(stage: PeerRecipe, classes: number, loss: LabelLoss): StepTraining {
  const training = trainingOf(stage, classes);
  return {
    ...training,
    loss: {
      ...training.loss,
      sum({ student, labels }, knobs) {
        const { sum, count } = loss({ logits_BK: student[0] as tf.Tensor2D, labels_B: labels.class_B });
        const mean = tf.div(sum, count) as tf.Scalar;
        return { mean: tf.mul(mean, knobs['labels.weight'] as tf.Scalar), terms: { labels: mean } };
      },
    },
  };
}

/** A distil stage with this loss in the place of Hinton's. */
export function withTeacherLoss(stage: PeerRecipe, classes: number, loss: TeacherLoss): StepTraining {
  return trainingOf(stage, classes, {
    sum({ student: [logits], other: [targets], labels }, { temperature }) {
      const batch = { logits_BK: logits as tf.Tensor2D, labels_B: labels.class_B, targets_BK: targets as tf.Tensor2D };
      return loss(batch, temperature as tf.Scalar);
    },
  });
}
