/** What one optimiser does to a tensor of parameters. Owns the interface only; optimizer.ts keeps slots, decay and step count. */

import type { Scalar, Tensor } from '@tensorflow/tfjs-core';

/** What of an update changes from step to step. */
export interface StepProgress {
  readonly rate: number;
  /** The number of this step, from 1. Kept only when the rule counts steps; else 0. */
  readonly step: number;
}

/** Parameters, gradient and slots have one shape. Several variables may be in it, one after the other. */
export interface UpdateState {
  readonly value: Tensor;
  /** As many as `slotCount`; zeros before the first step. */
  readonly slots: readonly Tensor[];
}

export interface UpdateInputs<Coefficient extends string> extends UpdateState {
  /** Of the mean loss, weight decay added. */
  readonly gradient: Tensor;
  /** Those of the step, as tensors: a recorded step takes them anew each time. */
  readonly coefficients: Readonly<Record<Coefficient, Scalar>>;
}

export interface UpdateRule<Coefficient extends string = string> {
  /** Slots for each parameter. */
  readonly slotCount: number;
  /** Whether the rule needs `step`, which then is a part of the slots. */
  readonly countsSteps: boolean;
  /** The numbers, the same for all parameters, that change from step to step. Pure, in float64; always the same names. */
  coefficients(progress: StepProgress): Readonly<Record<Coefficient, number>>;
  /**
   * What comes after, element by element. Called inside tf.tidy; the inputs are not its to dispose. Numbers other than the
   * coefficients must not change from step to step.
   */
  update(inputs: UpdateInputs<Coefficient>): UpdateState;
}
