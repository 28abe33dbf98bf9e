/** The model of a stage with the program that runs it, as students train it and teachers ask it. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../../src/base/assert.js';
import type { TrainingStage } from '../../src/config/schema.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import type { StepProgram } from '../../src/engines/step-program.js';
import { buildModel } from '../../src/nn/build.js';
import { type EngineContext, trainingStage } from './context.js';
import { initialSeed } from './view.js';

export interface StageModel {
  /** The stage's name and its recipe. */
  readonly name: string;
  readonly stage: TrainingStage;
  readonly model: LayersModel;
  readonly program: StepProgram;
  /** The parameters that the stage begins with. The same in every process. */
  readonly initial: Float32Array;
  /** Elements of one image, and classes. */
  readonly imageSize: number;
  readonly classes: number;
  dispose(): void;
}

/**
 * Builds the model of a stage, and has the agent know that a batch may take longer from now on. `purpose` decides whether it has an optimiser. Throws model.invalid and
 * what the data throws.
 */
export async function openStageModel(context: EngineContext, name: string, purpose: 'train' | 'infer'): Promise<StageModel> {
  const stage = trainingStage(context, name);
  const { height, width, channels, classes } = await context.splits.get(stage.on);
  const inputShape = [height, width, channels] as const;
  const seed = initialSeed(context.recipe, stage.model);
  const model = await buildModel(present(context.recipe.models[stage.model], `model ${stage.model}`), { inputShape, classes, seed });
  context.meter.forgetTimes();
  context.showProgress();
  const program = buildEagerStep({ model, stage: purpose === 'train' ? stage : null, inputShape });
  return {
    name,
    stage,
    model,
    program,
    initial: program.readParameters(),
    imageSize: height * width * channels,
    classes,
    dispose() {
      program.dispose();
      model.dispose();
    },
  };
}
