/** Tries the terms of a loss with their models: whether the layers are there, and whether value and gradient can be computed. */

import { modelKey, peerNamed, type TrainedPeer } from '../config/peer.js';
import type { Path } from '../config/problem.js';
import type { OtherSide, PeerRecipe, Recipe, TermRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { sideOf } from '../losses/loss-plan.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { knowledgeSpecSchema } from '../protocol/data.js';
import { numbersGathered, shapesFrom } from '../step/knowledge-size.js';
import type { KnowledgeSpec, RowShape } from '../tensor/knowledge.js';

/** The shapes of each model's layers, by the model's key. */
export type ModelShapes = ReadonlyMap<string, ShapeSource>;

/** The facts of models and data that a loss is tried with. */
export interface TrialFacts {
  readonly shapes: ModelShapes;
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
}

/** The trial of one part of a peer's loss, by itself. */
export interface TermTrial {
  /** The place of the part in the recipe. */
  readonly path: Path;
  /** The user's module that computes the term; null when it is one of the package. */
  readonly module: string | null;
  /** Throws `model.invalid` and `loss.invalid`. Loads tfjs; an engine must be open. */
  run(): Promise<void>;
}

/**
 * The trials of the terms of the peer's loss: one for each layer that it names, then one for the term as a whole. None for a loss in its short form,
 * which fits all models.
 */
export function trialsOf({ recipe: peer, place }: TrainedPeer, recipe: Recipe, facts: TrialFacts): readonly TermTrial[] {
  const { shapes, splitSizes } = facts;
  const { loss } = peer;
  if (!('terms' in loss)) return [];
  return loss.terms.flatMap((term, index) => {
    const path = [...place('loss'), 'terms', index];
    const module = term.module ?? null;
    const layers = layersOf(term).map(({ side, layer, place: within }) => ({
      path: [...path, ...within],
      module,
      run: async () => void (await sidesOf(peer, recipe, shapes))[side === 0 ? 'student' : sideOf(term, peer)].layer(layer),
    }));
    const whole = async () => {
      // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
      const { tryLoss } = await import('../step/try-loss.js');
      const alone = { ...peer, fromTeacher: undefined, loss: { labels: { weight: 0, smoothing: 0 }, terms: [term] } };
      const sides = await sidesOf(peer, recipe, shapes);
      const tried = await tryLoss(alone, { ...sides, seed: recipe.seed, samples: splitSizes[peer.on] });
      for (const spec of tried.sides.flatMap(({ specs }) => specs)) checkMessage(spec);
    };
    return [...layers, { path, module, run: whole }];
  });
}

/** Each layer that the term names, with the side that has it (0: the student) and the place in the term. */
function layersOf({ taps = [], flows = [] }: TermRecipe): readonly { side: 0 | 1; layer: string; place: Path }[] {
  const sides = [0, 1] as const;
  return [
    ...taps.flatMap((pair, i) => sides.map((side) => ({ side, layer: pair[side], place: ['taps', i, side] }))),
    ...flows.flatMap((pair, i) =>
      sides.flatMap((side) => pair[side].map((layer, end) => ({ side, layer, place: ['flows', i, side, end] }))),
    ),
  ];
}

/** The knowledge that a step of the peer takes from other models. */
export interface TakenKnowledge {
  /** The shapes of its tensors, without the batch. */
  readonly fromTeacher: readonly RowShape[];
  /** From each other student that trains the peer, in numbers of one image. */
  readonly gathered: number;
}

/** Throws as the trials of the peer's terms do. */
export async function takenKnowledge({ recipe: peer }: TrainedPeer, recipe: Recipe, facts: TrialFacts): Promise<TakenKnowledge> {
  const { joinTraining } = await import('../step/load-training.js');
  const { student, teacher } = await sidesOf(peer, recipe, facts.shapes);
  const samples = facts.splitSizes[peer.on];
  const training = await joinTraining(peer, { student, teacher, seed: recipe.seed, samples });
  return { fromTeacher: shapesFrom(training, 'teacher'), gathered: numbersGathered(training) };
}

/** The shapes of the peer's model, of the model that teaches it, and of the other peers. A side that is not there, and peers, have no layers. */
async function sidesOf(
  { model, teacher }: PeerRecipe,
  recipe: Recipe,
  models: ModelShapes,
): Promise<Record<'student' | OtherSide, ShapeSource>> {
  const { withoutLayers } = await import('../nn/knowledge-model.js');
  const shapesOf = (name: string) => models.get(name) ?? withoutLayers(0);
  const student = shapesOf(model);
  const peers = withoutLayers(student.classes);
  return { student, peers, teacher: teacher === undefined ? peers : shapesOf(modelKey(recipe, peerNamed(teacher))) };
}

/** Throws `model.invalid` when a module asks for knowledge that a message cannot carry. */
function checkMessage(spec: KnowledgeSpec): void {
  const problem = knowledgeSpecSchema.safeParse(spec).error?.issues[0];
  if (problem === undefined) return;
  const what = `the loss asks the other side for what cannot be sent: ${problem.path.join('.')}: ${problem.message}`;
  throw new StillhouseError('model.invalid', what, { hint: 'Give the layer a shorter name, or the reduction fewer numbers' });
}
