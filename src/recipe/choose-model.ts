/** Chooses the trained model of a recipe that a command works on. */

import { suggest } from '../base/nearest.js';
import { spellPeer, type TrainedPeer, trainedPeers } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { StillhouseError } from '../errors/stillhouse-error.js';

/**
 * The model that `wanted` names, which a stage trains: `base`, or `together.big` where the stage trains several. When no name is given,
 * the model of the last stage that trains. Throws usage.invalid when there is none, or when the stage trains several.
 */
export function chooseModel(recipe: Recipe, wanted: string | undefined): TrainedPeer {
  const trained = trainedPeers(recipe);
  const last = stageOrder(recipe).findLast((stage) => trained.some(({ name }) => name.stage === stage));
  if (last === undefined) throw new StillhouseError('usage.invalid', 'the recipe has no stage that trains');
  const text = wanted ?? last;
  const found = trained.find(({ name }) => spellPeer(name) === text);
  if (found !== undefined) return found;
  const peers = trained.flatMap(({ name }) => (name.stage === text ? [spellPeer(name)] : []));
  if (peers.length > 0) {
    throw new StillhouseError('usage.invalid', `the stage ${text} trains several models; name one: ${peers.join(', ')}`);
  }
  const names = trained.map(({ name }) => spellPeer(name));
  throw new StillhouseError('usage.invalid', `the recipe has no training stage "${text}"${suggest(text, names)}`);
}
