/** What one optimiser does to one variable. Owns the interface only; optimizer.ts keeps slots, decay and step count. */

import type { Tensor, Variable } from '@tensorflow/tfjs-core';

export interface VariableUpdate {
  /** Changed in place by `assign`. */
  readonly variable: Variable;
  /** Of the mean loss, weight decay added. Not the rule's to dispose. */
  readonly gradient: Tensor;
  /** As many as `slotsPerVariable`, each of the variable's shape, zeros before the first step. Changed in place by `assign`. */
  readonly slots: readonly Variable[];
  readonly rate: number;
  /** The number of this step, from 1. Kept only when the rule counts steps; else 0. */
  readonly step: number;
}

export interface UpdateRule {
  readonly slotsPerVariable: number;
  /** Whether the rule needs `step`, which then is a part of the slots. */
  readonly countsSteps: boolean;
  /** Called inside tf.tidy. */
  update(update: VariableUpdate): void;
}
