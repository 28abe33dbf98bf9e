/** The loss of a stage: which methods of the catalogue it adds up, with which weights. */

import { add, mul, type Scalar, sub } from '@tensorflow/tfjs-core';
import { assertNever } from '../base/assert.js';
import type { TrainingStage } from '../config/schema.js';
import { LOSSES } from './catalogue.js';
import type { LossBatch, LossSum } from './loss-method.js';

/** What may change from step to step: tensors, so that a recorded step takes them anew each time. */
export interface LossKnobs {
  readonly temperature: Scalar;
  /** The weight of the soft term; the labels have the rest. */
  readonly alpha: Scalar;
}

/** The terms of a loss by name, each summed over the batch and without its weight. Empty for a loss of one term. */
export type LossTerms = Readonly<Record<string, Scalar>>;

export interface StageLoss {
  /** Whether the batch must bring the teacher's logits. */
  readonly needsTargets: boolean;
  /** Called inside tf.tidy. */
  sum(batch: LossBatch, knobs: LossKnobs): LossSum & { readonly terms: LossTerms };
}

/** Training: the labels. Distillation: (1 - alpha) CE + alpha T^2 KL(teacher || student). */
export function stageLoss(stage: Pick<TrainingStage, 'kind' | 'loss'>): StageLoss {
  switch (stage.kind) {
    case 'train':
      return { needsTargets: false, sum: (batch) => ({ ...hardLoss(batch, stage.loss.labelSmoothing), terms: {} }) };
    case 'distil':
      return {
        needsTargets: true,
        sum(batch, { temperature, alpha }) {
          const hard = hardLoss(batch, stage.loss.labelSmoothing);
          const soft = LOSSES.hinton.sum(batch, { temperature });
          const sum = add(mul(hard.sum, sub(1, alpha)), mul(soft.sum, alpha)) as Scalar;
          return { sum, count: hard.count, terms: { hard: hard.sum, soft: soft.sum } };
        },
      };
    default:
      return assertNever(stage.kind, 'stage');
  }
}

function hardLoss(batch: LossBatch, epsilon: number): LossSum {
  return epsilon > 0 ? LOSSES['label-smoothing'].sum(batch, { epsilon }) : LOSSES['cross-entropy'].sum(batch, {});
}
