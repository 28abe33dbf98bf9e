/** Makes the StepTraining of a stage from the recipe and the models that take part. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type PeerName, peerNamed } from '../config/peer.js';
import type { OtherSide, PeerRecipe } from '../config/schema.js';
import { longForm, sideOf } from '../losses/loss-plan.js';
import { loadStageLoss } from '../losses/stage-loss.js';
import { classesOf, type ShapeSource, shapeSourceOf, shapesOf, withoutLayers } from '../nn/knowledge-model.js';
import { disposeModel } from '../nn/weights.js';
import { checkMemory } from './memory-check.js';
import type { StepTraining } from './trainer.js';

export interface TrainingModels {
  /** The model that trains. */
  readonly model: LayersModel;
  /** The seed of the initial values of adapters and memory. */
  readonly seed: number;
  /** The number of samples of the split that the stage trains on; it must be there for a loss that keeps a memory of them. */
  readonly samples?: number | undefined;
  /** Builds the model that teaches. It is called only where the loss may take its layers; the model is disposed at once. */
  buildTeacher(teacher: PeerName): Promise<LayersModel>;
}

/** The training of the stage's model. Throws as joinTraining does, and the errors of `buildTeacher`. */
export async function loadTraining(stage: PeerRecipe, { model, seed, samples, buildTeacher }: TrainingModels): Promise<StepTraining> {
  const student = shapeSourceOf(model);
  if (stage.teacher === undefined || !takesLayers(stage)) {
    // Without its layers it is as good as unknown, but it sees the student's images.
    return joinTraining(stage, { student, teacher: { ...withoutLayers(classesOf(model)), image: student.image }, seed, samples });
  }
  const teacher = await buildTeacher(peerNamed(stage.teacher));
  disposeModel(teacher);
  return joinTraining(stage, { student, teacher: shapeSourceOf(teacher), seed, samples });
}

export interface TrainingShapes {
  /** The shapes of the model that trains. */
  readonly student: ShapeSource;
  /** Those of the model that teaches it; without layers where none does, or where none of its layers is taken. */
  readonly teacher: ShapeSource;
  readonly seed: number;
  /** The number of samples of the split that the stage trains on. */
  readonly samples?: number | undefined;
}

/**
 * Throws the errors of a user's module, `model.invalid` where a model lacks a layer that the loss takes, or a reduction does not fit, and
 * `loss.invalid` for a memory of so many samples that cannot be.
 */
export async function joinTraining(stage: PeerRecipe, { student, teacher, seed, samples }: TrainingShapes): Promise<StepTraining> {
  // Peers give each other their logits, and no layers.
  const others: Readonly<Record<OtherSide, ShapeSource>> = { teacher, peers: withoutLayers(student.classes) };
  const layersOf = (from: OtherSide) => ({
    student: (layer: string) => student.layer(layer),
    other: (layer: string) => others[from].layer(layer),
  });
  const loss = await loadStageLoss(stage, layersOf);
  shapesOf(loss.student, student);
  if (loss.takesInputGradient) student.image();
  const otherShapes = loss.sides.flatMap(({ from, specs, count }) => {
    const ofEach = shapesOf(specs, others[from]);
    return Array.from({ length: count }, () => ofEach).flat();
  });
  if ((loss.memory ?? []).length > 0) checkMemory({ loss, samples }, stage);
  const gatheredShapes = loss.gathered && {
    student: shapesOf(loss.gathered.student, student),
    // Only a teacher's knowledge is gathered.
    other: shapesOf(loss.gathered.other, teacher),
  };
  return { stage, loss, otherShapes, ...(gatheredShapes === null ? {} : { gatheredShapes }), seed, samples };
}

/** Whether a loss may take layers of the teacher. If not, the teacher's model need not be built to know its shapes. */
function takesLayers(stage: PeerRecipe): boolean {
  const fromTeacher = longForm(stage).terms.filter((term) => sideOf(term, stage) === 'teacher');
  return fromTeacher.some(({ taps = [], flows = [], module }) => taps.length + flows.length > 0 || module !== undefined);
}
