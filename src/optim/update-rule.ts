/** What one optimiser does to one variable. Owns the interface only; optimizer.ts keeps slots, decay and step count. */

import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';

/** What of an update changes from step to step. */
export interface StepProgress {
  readonly rate: number;
  /** The number of this step, from 1. Kept only when the rule counts steps; else 0. */
  readonly step: number;
}

export interface VariableUpdate<Coefficient extends string> {
  /** Changed in place by `assign`. */
  readonly variable: Variable;
  /** Of the mean loss, weight decay added. Not the rule's to dispose. */
  readonly gradient: Tensor;
  /** As many as `slotsPerVariable`, each of the variable's shape, zeros before the first step. Changed in place by `assign`. */
  readonly slots: readonly Variable[];
  /** Those of the step, as tensors: a recorded step takes them anew each time. Not the rule's to dispose. */
  readonly coefficients: Readonly<Record<Coefficient, Scalar>>;
}

export interface UpdateRule<Coefficient extends string = string> {
  readonly slotsPerVariable: number;
  /** Whether the rule needs `step`, which then is a part of the slots. */
  readonly countsSteps: boolean;
  /** The numbers, the same for all variables, that change from step to step. Pure, in float64; always the same names. */
  coefficients(progress: StepProgress): Readonly<Record<Coefficient, number>>;
  /** Called inside tf.tidy. Numbers other than the coefficients must not change from step to step. */
  update(update: VariableUpdate<Coefficient>): void;
}
