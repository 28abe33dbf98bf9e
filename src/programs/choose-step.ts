/**
 * Chooses how the steps of a stage's model are carried out: recorded and replayed as graphs where the engine can do that,
 * otherwise op by op. The one place that knows all step programs.
 */

import type { EngineName, EngineRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { buildEagerStep, type EagerStepOptions } from '../step/eager-step.js';
import type { StepProgram } from '../step/step-program.js';
import type { TraceNotice } from '../trace/trace-notice.js';
import { buildTracedStep } from '../trace/traced-step.js';

/** How calls of a program run from now on: those of one kind and size where these are given, otherwise all calls. */
export type StepNotice = Omit<TraceNotice, 'call' | 'size'> & Partial<TraceNotice>;

export interface StepChoice extends EagerStepOptions {
  /** The engine that is open. */
  readonly engine: EngineName;
  /** The engine section of the recipe. */
  readonly wanted: EngineRecipe;
  /** Called when it is decided how calls run: at once, or with the first batches. */
  onNotice(notice: StepNotice): void;
}

/** A program over the model, which the caller disposes. Throws as requirePrecision does. */
export function buildStep({ engine, wanted, onNotice, ...options }: StepChoice): StepProgram {
  requirePrecision(engine, wanted);
  if (canTrace(engine) && wanted.trace === 'auto') return buildTracedStep({ ...options, onNotice, precision: wanted.precision });
  onNotice({ traced: false, precision: 'fp32' });
  return buildEagerStep(options);
}

/** Throws engine.unusable when the engine does not compute in the precision that the recipe asks for. */
export function requirePrecision(engine: EngineName, { precision }: EngineRecipe): void {
  if (precision === 'fp32' || canTrace(engine)) return;
  throw new StillhouseError('engine.unusable', `engine.precision is ${precision}, and the engine ${engine} computes in fp32 only`, {
    hint: 'Install the engine tensorflow (`stillhouse engine install tensorflow`), or set engine.precision to fp32',
  });
}

/** Whether the engine takes graphs: only libtensorflow does. */
function canTrace(engine: EngineName): boolean {
  return engine === 'tensorflow';
}
