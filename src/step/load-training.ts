/** Makes the StepTraining of a stage from the recipe and the models that take part. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type PeerName, peerNamed } from '../config/peer.js';
import type { PeerRecipe } from '../config/schema.js';
import { longForm } from '../losses/loss-plan.js';
import { loadStageLoss } from '../losses/stage-loss.js';
import { classesOf, type ShapeSource, shapeSourceOf, shapesOf, withoutLayers } from '../nn/knowledge-model.js';
import { disposeModel } from '../nn/weights.js';
import type { StepTraining } from './trainer.js';

export interface TrainingModels {
  /** The model that trains. */
  readonly model: LayersModel;
  /** The seed of the adapters' initial values. */
  readonly seed: number;
  /** Builds the model that teaches. It is called only where the loss may take its layers; the model is disposed at once. */
  buildTeacher(teacher: PeerName): Promise<LayersModel>;
}

/** The training of the stage's model. Throws as joinTraining does, and the errors of `buildTeacher`. */
export async function loadTraining(stage: PeerRecipe, { model, seed, buildTeacher }: TrainingModels): Promise<StepTraining> {
  const student = shapeSourceOf(model);
  if (stage.teacher === undefined || !takesLayers(stage)) {
    return joinTraining(stage, { student, other: withoutLayers(classesOf(model)), seed });
  }
  const teacher = await buildTeacher(peerNamed(stage.teacher));
  disposeModel(teacher);
  return joinTraining(stage, { student, other: shapeSourceOf(teacher), seed });
}

export interface TrainingShapes {
  /** The shapes of the model that trains, and of the model that it learns from. */
  readonly student: ShapeSource;
  /** The model that it learns from. */
  readonly other: ShapeSource;
  readonly seed: number;
}

/** Throws the errors of a user's module, and `model.invalid` where a model lacks a layer that the loss takes, or a reduction does not fit. */
export async function joinTraining(stage: PeerRecipe, { student, other, seed }: TrainingShapes): Promise<StepTraining> {
  const loss = await loadStageLoss(stage, { student: (layer) => student.layer(layer), other: (layer) => other.layer(layer) });
  shapesOf(loss.student, student);
  const ofEach = shapesOf(loss.other, other);
  return { stage, loss, otherShapes: Array.from({ length: loss.otherCount }, () => ofEach).flat(), seed };
}

/** Whether a loss may take layers of the models. If not, the other side's model need not be built to know its shapes. */
function takesLayers(stage: PeerRecipe): boolean {
  return longForm(stage).terms.some(({ taps = [], module }) => taps.length > 0 || module !== undefined);
}
