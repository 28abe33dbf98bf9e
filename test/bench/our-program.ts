/**
 * Ours in a training row: how the process is started and which step programs it runs. Both are the product's own, so
 * that the bench measures what a worker does: the environment of its engine processes, and the program of a stage.
 */

import { fileURLToPath } from 'node:url';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { EngineName, TrainingStage } from '../../src/config/schema.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import { engineEnvironment } from '../../src/engines/engine-environment.js';
import type { StepProgram } from '../../src/engines/step-program.js';
import { Unusable } from './protocol.js';
import type { RowSettings, SideStart } from './row.js';
import type { Precision } from './training-case.js';

export interface OurProgramOptions {
  readonly model: LayersModel;
  /** Null for a program that only predicts. */
  readonly stage: TrainingStage | null;
  readonly inputShape: readonly [number, number, number];
  readonly trace: 'auto' | 'off';
  readonly precision: Precision;
}

/** The step program that a worker would run. Throws Unusable for what no program does yet. */
export function openOurProgram({ model, stage, inputShape, precision }: OurProgramOptions): StepProgram {
  if (precision !== 'fp32') throw new Unusable(`no step program computes in ${precision} yet`);
  return buildEagerStep({ model, stage, inputShape });
}

/** How the programs are run, for the side's name. */
export function howItRuns(_program: StepProgram): string {
  return 'op by op';
}

/** How the side of ours in `sides/training-side.ts` is started, over the case in the row's folder. */
export function ourSide(settings: RowSettings, engine: EngineName): SideStart {
  const { folder, trace, threads, batch } = settings;
  return {
    label: `Stillhouse ${engine}`,
    command: process.execPath,
    args: [fileURLToPath(new URL('./sides/training-side.js', import.meta.url)), folder, engine, trace],
    env: engineEnvironment({ threads, inherited: process.env }),
    imagesPerStep: batch,
  };
}
