/** Tries the terms of a loss with their models: whether the layers are there, and whether value and gradient can be computed. */

import { peerNamed, peerRecipe, type TrainedPeer } from '../config/peer.js';
import type { Path } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { knowledgeSpecSchema } from '../protocol/data.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';

/** The shapes of each model's layers, by its name in the recipe. */
export type ModelShapes = ReadonlyMap<string, ShapeSource>;

/** The trial of one term of a peer's loss, by itself. */
export interface TermTrial {
  /** The place of the term in the recipe. */
  readonly path: Path;
  /** Throws `model.invalid` and `loss.invalid`. Loads tfjs; an engine must be open. */
  run(): Promise<void>;
}

/** One trial for each term of the peer's loss; none for a loss in its short form, which fits all models. */
export function trialsOf({ recipe: peer, place }: TrainedPeer, recipe: Recipe, models: ModelShapes): readonly TermTrial[] {
  const { loss, teacher } = peer;
  if (!('terms' in loss)) return [];
  return loss.terms.map((term, index) => ({
    path: [...place('loss'), 'terms', index],
    async run() {
      // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
      const { tryLoss } = await import('../step/try-loss.js');
      const { withoutLayers } = await import('../nn/knowledge-model.js');
      const shapesOf = (name: string) => models.get(name) ?? withoutLayers(0);
      const student = shapesOf(peer.model);
      const other = teacher === undefined ? null : peerRecipe(recipe, peerNamed(teacher));
      const alone = { ...peer, loss: { labels: { weight: 0, smoothing: 0 }, terms: [term] } };
      const shapes = { student, other: other === null ? withoutLayers(student.classes) : shapesOf(other.model), seed: recipe.seed };
      for (const spec of (await tryLoss(alone, shapes)).other) checkMessage(spec);
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
