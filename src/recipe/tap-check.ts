/** Whether the models have the layers that the losses of a recipe take, and the losses' requests can travel. */

import type { Recipe, TrainingStage } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { knowledgeSpecSchema } from '../protocol/data.js';

/** The shapes of each model's layers, by its name in the recipe. */
export type ModelShapes = ReadonlyMap<string, ShapeSource>;

/** Throws `model.invalid`, and what a user's loss throws, for the first thing that does not fit. Loads tfjs. */
export async function checkTaps(stage: TrainingStage, recipe: Recipe, models: ModelShapes): Promise<void> {
  // Only here: tfjs takes half a second to load, and most mistakes are found before.
  const { joinTraining } = await import('../step/load-training.js');
  const { withoutLayers } = await import('../nn/knowledge-model.js');
  const shapesOf = (name: string) => models.get(name) ?? withoutLayers(0);
  const student = shapesOf(stage.model);
  const teacher = stage.kind === 'train' ? undefined : recipe.stages[stage.teacher];
  const other = teacher !== undefined && 'model' in teacher ? shapesOf(teacher.model) : withoutLayers(student.classes);
  const { loss } = await joinTraining(stage, { student, other, seed: recipe.seed });
  for (const spec of loss.other) {
    const problem = knowledgeSpecSchema.safeParse(spec).error?.issues[0];
    if (problem === undefined) continue;
    const what = `the loss asks the other side for what cannot be sent: ${problem.path.join('.')}: ${problem.message}`;
    throw new StillhouseError('model.invalid', what, { hint: 'Give the layer a shorter name, or the reduction fewer numbers' });
  }
}
