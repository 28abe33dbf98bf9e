/**
 * The rule by which an optimiser updates a tensor of parameters. Owns the interface only; optimizer.ts keeps slots, weight
 * decay and the step count.
 */

import type { Scalar, Tensor } from '@tensorflow/tfjs-core';

/** The numbers of an update that change from step to step. */
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
  /** The gradient of the mean loss, weight decay added. */
  readonly gradient: Tensor;
  /** The coefficients of this step, as tensors: a recorded step takes them anew each time. */
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
   * The state after the update, element by element. Called inside tf.tidy; the inputs are the caller's to dispose. Numbers other
   * than the coefficients must not change from step to step.
   */
  update(inputs: UpdateInputs<Coefficient>): UpdateState;
}
