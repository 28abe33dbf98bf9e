/** Chooses the model of a recipe that a command works on. */

import { suggest } from '../base/nearest.js';
import { finishedModel, MODEL_PEER, type PeerName, spellPeer, type TrainedPeer, trainedPeers } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { StillhouseError } from '../errors/stillhouse-error.js';

/** A model that a run has. */
export interface ChosenModel {
  readonly name: PeerName;
  /** Whether it was taken from outside, by a stage of kind load: no stage trains it. */
  readonly isGiven: boolean;
}

/**
 * The model that `wanted` names, which a stage trains: `base`, or `together.big` where the stage trains several. When no name is given,
 * the model of the last stage that trains. Throws usage.invalid when there is none, or when the stage trains several.
 */
export function chooseModel(recipe: Recipe, wanted: string | undefined): TrainedPeer {
  const trained = trainedPeers(recipe);
  const last = stageOrder(recipe).findLast((stage) => trained.some(({ name }) => name.stage === stage));
  if (last === undefined) throw new StillhouseError('usage.invalid', 'the recipe has no stage that trains');
  const text = wanted ?? last;
  const names = trained.map(({ name }) => name);
  return trained.find(({ name }) => spellPeer(name) === text) ?? refuse(recipe, text, names);
}

/**
 * The same for a finished model, which may also be one from outside: `student-teacher`, by its stage of kind load. When no name is given and
 * no stage trains, it is that of the last stage of kind load.
 */
export function chooseFinishedModel(recipe: Recipe, wanted: string | undefined): ChosenModel {
  const given = stageOrder(recipe).filter((stage) => recipe.stages[stage]?.kind === 'load');
  const trained = trainedPeers(recipe).map(({ name }) => name);
  const text = wanted ?? (trained.length === 0 ? given.at(-1) : undefined);
  if (text === undefined) return { name: chooseModel(recipe, undefined).name, isGiven: false };
  const loaded = given.map((stage) => ({ stage, peer: MODEL_PEER }));
  const name = [...trained, ...loaded].find((one) => spellPeer(one) === text) ?? refuse(recipe, text, [...trained, ...loaded]);
  return { name, isGiven: given.includes(name.stage) };
}

/** Throws usage.invalid: none of these models is named so. */
function refuse(recipe: Recipe, text: string, names: readonly PeerName[]): never {
  const stage = Object.hasOwn(recipe.stages, text) ? recipe.stages[text] : undefined;
  const invalid = (what: string) => new StillhouseError('usage.invalid', what);
  const peers = names.filter((name) => name.stage === text).map(spellPeer);
  if (peers.length > 0) throw invalid(`the stage ${text} trains several models; name one: ${peers.join(', ')}`);
  if (stage?.kind === 'load') throw invalid(`the stage ${text} trains nothing: it takes its model from outside`);
  if (stage !== undefined && 'of' in stage) {
    const of = spellPeer(finishedModel(stage.of));
    throw invalid(`the stage ${text} of kind ${stage.kind} has no model of its own; that of ${of} is the one that it works on`);
  }
  throw invalid(`the recipe has no training stage "${text}"${suggest(text, names.map(spellPeer))}`);
}
