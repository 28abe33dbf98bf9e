/**
 * The step program that replays recorded graphs on the engine `tensorflow`: one native call is one step. A batch size that is
 * used often enough is recorded and proven against the eager step (see trace-cache.ts). A step that cannot be traced
 * runs eagerly, and one notice says why.
 */

import { type EagerStepOptions, runEagerly } from '../step/eager-step.js';
import type { StepProgram } from '../step/step-program.js';
import { buildTensorStep } from '../step/tensor-step.js';
import { buildFrozenProgram } from './frozen-program.js';
import type { Precision, TraceNotice } from './trace-notice.js';
import { TrainingProgram } from './training-program.js';

export interface TracedStepOptions extends EagerStepOptions {
  readonly precision: Precision;
  /** Called once for each kind and size of call. */
  onNotice(notice: TraceNotice): void;
}

/** A program over the model, with the promises of buildEagerStep. The engine `tensorflow` must be open. */
export function buildTracedStep(options: TracedStepOptions): StepProgram {
  const step = buildTensorStep(options);
  const parts = { step, eager: runEagerly(step, options), options };
  return options.training === null ? buildFrozenProgram(parts) : new TrainingProgram(parts);
}
