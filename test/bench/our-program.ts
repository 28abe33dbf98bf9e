/**
 * Ours in a training row: how the process is started and which step programs it runs. Both are the product's own, so
 * that the bench measures what a worker does: the environment of its engine processes, and the program of a stage.
 */

import { fileURLToPath } from 'node:url';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { EngineName } from '../../src/config/schema.js';
import { buildStep, type StepNotice } from '../../src/programs/choose-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { engineEnvironment } from '../../src/system/engine-environment.js';
import { describeProcessor } from '../../src/system/processor.js';
import { Unusable } from './protocol.js';
import type { RowSettings, SideStart } from './row.js';
import type { Precision } from './training-case.js';

export interface OurProgramOptions {
  /** The engine that is open. */
  readonly engine: EngineName;
  readonly model: LayersModel;
  /** Null for a program that only predicts. */
  readonly training: StepTraining | null;
  readonly inputShape: readonly [number, number, number];
  readonly trace: 'auto' | 'off';
  readonly precision: Precision;
}

export interface OurProgram {
  readonly program: StepProgram;
  /** How the first calls ran, in words; null before them. Throws Unusable when it was in another precision than asked for. */
  describe(): string | null;
  /** Whether the first calls ran as a graph. */
  isTraced(): boolean;
}

/** The step program that a worker would run. */
export function openOurProgram({ trace, precision, ...options }: OurProgramOptions): OurProgram {
  const notices: StepNotice[] = [];
  const program = buildStep({ ...options, wanted: { trace, precision }, onNotice: (notice) => notices.push(notice) });
  return {
    program,
    isTraced: () => notices.at(-1)?.traced === true,
    describe() {
      const notice = notices.at(-1);
      if (notice === undefined) return null;
      if (notice.precision !== precision)
        throw new Unusable(`our step runs in ${notice.precision}: ${notice.reason ?? 'it is not traced'}`);
      if (notice.traced) return `traced ${precision}`;
      return notice.reason === undefined ? 'op by op' : `op by op (${notice.reason})`;
    },
  };
}

/** How the side of ours in `sides/training-side.ts` is started, over the case in the row's folder. */
export function ourSide(settings: RowSettings, engine: EngineName): SideStart {
  const { folder, trace, threads, batch } = settings;
  return {
    label: `Stillhouse ${engine}`,
    command: process.execPath,
    args: [fileURLToPath(new URL('./sides/training-side.js', import.meta.url)), folder, engine, trace],
    env: engineEnvironment({ threads, processor: describeProcessor(), inherited: process.env }),
    imagesPerStep: batch,
  };
}
