/**
 * The rule by which an optimiser updates a tensor of parameters. Owns the interface only; optimizer.ts keeps slots, weight
 * decay and the step count.
 */

import type { Scalar, Tensor } from '@tensorflow/tfjs-core';

/** The numbers of an update that change from step to step. */
export interface StepProgress {
  readonly rate: number;
  /** The number of this step, from 1, where the rule counts steps; otherwise 0. */
  readonly step: number;
}

/** Parameters, gradient and slots have one shape. The tensors may hold several variables, one after the other. */
export interface UpdateState {
  readonly value: Tensor;
  /** There are `slotCount` of them; zeros before the first step. */
  readonly slots: readonly Tensor[];
}

export interface UpdateInputs<Coefficient extends string> extends UpdateState {
  /** The gradient of the mean loss, weight decay added. */
  readonly gradient: Tensor;
  /** The coefficients of this step, as tensors: a recorded step takes them anew each time. */
  readonly coefficients: Readonly<Record<Coefficient, Scalar>>;
}

export interface UpdateRule<Coefficient extends string = string> {
  /** The number of slots for each parameter. */
  readonly slotCount: number;
  /** Whether the rule needs `step`, which is then a part of the slots. */
  readonly countsSteps: boolean;
  /** The numbers that change from step to step, the same for all parameters. Pure, in float64; always with the same names. */
  coefficients(progress: StepProgress): Readonly<Record<Coefficient, number>>;
  /**
   * The state after the update, element by element. Called inside tf.tidy; the caller disposes the inputs. Numbers other
   * than the coefficients must not change from step to step.
   */
  update(inputs: UpdateInputs<Coefficient>): UpdateState;
}
