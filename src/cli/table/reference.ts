/** The stages that a row of a table is compared with: a baseline without a teacher, and one with plain distillation. Pure. */

import { suggest } from '../../base/nearest.js';
import { peersOf, spellPeer, type TrainedPeer, trainedPeers } from '../../config/peer.js';
import type { PeerRecipe, Recipe } from '../../config/schema.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { longForm, sideOf } from '../../losses/loss-plan.js';

/** The names that the user gives; by rule where one is left out. */
export interface ChosenReferences {
  readonly baseline?: string | undefined;
  readonly kd?: string | undefined;
}

/** The references of one row by their names; a row may be its own. Null: there is none. */
export interface References {
  readonly baseline: string | null;
  readonly kd: string | null;
}

/**
 * The references of the row with this name. By rule, the first stage of kind `train` with the same model on the same images, and the first
 * stage with the same whose only term is `hinton` of a teacher; a stage that freezes layers is neither.
 */
export function referencesOf(recipe: Recipe, row: string, { baseline, kd }: ChosenReferences): References {
  const trained = trainedPeers(recipe);
  const own = trained.find(({ name }) => spellPeer(name) === row);
  const first = (is: (peer: TrainedPeer) => boolean): string | null => {
    const found = trained.find((peer) => own !== undefined && isSameTask(peer.recipe, own.recipe) && is(peer));
    return found === undefined ? null : spellPeer(found.name);
  };
  return { baseline: baseline ?? first(({ recipe: peer }) => isAlone(peer)), kd: kd ?? first(({ recipe: peer }) => isPlain(peer)) };
}

/** Throws `usage.invalid` for a chosen reference that is no model of a stage that tests one. */
export function checkReferences(chosen: ChosenReferences, recipe: Recipe): void {
  const rows = testedModels(recipe);
  for (const [option, name] of Object.entries(chosen)) {
    if (name === undefined || rows.includes(name)) continue;
    throw new StillhouseError(
      'usage.invalid',
      `--${option} ${name}: no stage of the recipe that is tested has this name${suggest(name, rows)}`,
    );
  }
}

/** The names under which the stages test their models, in the order of the recipe: `stage`, or `stage.peer`. */
export function testedModels({ stages }: Pick<Recipe, 'stages'>): readonly string[] {
  return Object.entries(stages).flatMap(([stage, own]) => {
    if (own.kind === 'export') return [];
    const peers = [...peersOf(own).keys()];
    return peers.length === 0 ? [stage] : peers.map((peer) => spellPeer({ stage, peer }));
  });
}

/**
 * Whether the reference trains the same model on the same images, all layers of it. They may begin with other parameters: a method may have a
 * stage before.
 */
function isSameTask(reference: PeerRecipe, own: PeerRecipe): boolean {
  const isWhole = reference.freeze === undefined;
  return isWhole && reference.model === own.model && reference.on === own.on && reference.test === own.test;
}

/** Whether the model learns from no other. */
function isAlone({ teacher, others = [] }: PeerRecipe): boolean {
  return teacher === undefined && others.length === 0;
}

/** Whether the model learns from its teacher's answers alone, and from the labels. */
function isPlain(peer: PeerRecipe): boolean {
  const [term, ...more] = longForm(peer).terms;
  return term?.loss === 'hinton' && more.length === 0 && sideOf(term, peer) === 'teacher' && peer.teacher !== undefined;
}
