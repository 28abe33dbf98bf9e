/** Tries the terms of a loss with their models: whether the layers are there, and whether value and gradient can be computed. */

import type { Recipe, StageRecipe } from '../config/schema.js';
import { isTaughtStage } from '../config/stage-kinds.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { knowledgeSpecSchema } from '../protocol/data.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';

/** The shapes of each model's layers, by its name in the recipe. */
export type ModelShapes = ReadonlyMap<string, ShapeSource>;

/** The trial of one term of a stage, by itself. */
export interface TermTrial {
  readonly index: number;
  /** Throws `model.invalid` and `loss.invalid`. Loads tfjs; an engine must be open. */
  run(): Promise<void>;
}

/** One trial for each term of a stage; none for a loss in its short form, which fits all models. */
export function trialsOf(stage: StageRecipe, recipe: Recipe, models: ModelShapes): readonly TermTrial[] {
  if (!('loss' in stage) || !('terms' in stage.loss)) return [];
  return stage.loss.terms.map((term, index) => ({
    index,
    async run() {
      // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
      const { tryLoss } = await import('../step/try-loss.js');
      const { withoutLayers } = await import('../nn/knowledge-model.js');
      const shapesOf = (name: string) => models.get(name) ?? withoutLayers(0);
      const student = shapesOf(stage.model);
      const teacher = isTaughtStage(stage) ? recipe.stages[stage.teacher] : undefined;
      const other = teacher !== undefined && 'model' in teacher ? shapesOf(teacher.model) : withoutLayers(student.classes);
      const alone = { ...stage, loss: { labels: { weight: 0, smoothing: 0 }, terms: [term] } };
      const loss = await tryLoss(alone, { student, other, seed: recipe.seed });
      for (const spec of loss.other) checkMessage(spec);
    },
  }));
}

/** Throws `model.invalid` when a module asks for knowledge that a message cannot carry. */
function checkMessage(spec: KnowledgeSpec): void {
  const problem = knowledgeSpecSchema.safeParse(spec).error?.issues[0];
  if (problem === undefined) return;
  const what = `the loss asks the other side for what cannot be sent: ${problem.path.join('.')}: ${problem.message}`;
  throw new StillhouseError('model.invalid', what, { hint: 'Give the layer a shorter name, or the reduction fewer numbers' });
}
