/**
 * The models that a stage trains, which are its peers: their names in a recipe, and the recipe by which each of them trains.
 * Pure. No other file knows which keys of a stage are a peer's: a stage with several peers has a map `peers`, and a key that a
 * peer does not give is the stage's own.
 */

import { nearest } from '../base/nearest.js';
import { entryOf, keysOf, type Path, replaceAt, valueAt } from './problem.js';
import type { FinishedRecipe, OutsideModel, PeerRecipe, Recipe, StageRecipe, TermRecipe, WorkersOfRole } from './schema.js';
import { isTrainingStage } from './stage-kinds.js';

/** The one peer of a stage that trains one model: every stage of kind train or distil. */
export const MODEL_PEER = 'model';

/** The name of a model: a peer of a stage. */
export interface PeerName {
  readonly stage: string;
  readonly peer: string;
}

/** The model that a text names: `base` is the model of the stage base, `together.big` the peer big of the stage together. */
export function peerNamed(text: string): PeerName {
  const [stage = '', peer = MODEL_PEER] = text.split('.', 2);
  return { stage, peer };
}

/** A finished model, and which of its epochs. */
export interface FinishedModel extends PeerName {
  readonly epoch: 'best' | 'last';
}

/** The model and the epoch that the `of` of a stage names. */
export function finishedModel(of: FinishedRecipe): FinishedModel {
  return typeof of === 'string' ? { ...peerNamed(of), epoch: 'last' } : { ...peerNamed(of.stage), epoch: of.epoch };
}

/** The name as people write it: the inverse of `peerNamed`. */
export function spellPeer({ stage, peer }: PeerName): string {
  return peer === MODEL_PEER ? stage : `${stage}.${peer}`;
}

/**
 * The name of the folder that a stage of kind export writes: that of the model, `base` or `together.big`; the stage's own where several
 * stages export that model, so that none overwrites another. A stage's name has no dot and is no other stage's, so all are different.
 */
export function exportName({ stages }: Pick<Recipe, 'stages'>, exporting: string): string {
  const exported = Object.entries(stages).flatMap(([name, stage]) =>
    stage.kind === 'export' ? [{ name, model: spellPeer(finishedModel(stage.of)) }] : [],
  );
  const model = exported.find(({ name }) => name === exporting)?.model;
  const isOnly = exported.filter((other) => other.model === model).length === 1;
  return model !== undefined && isOnly ? model : exporting;
}

/** The recipe by which each peer of the stage trains, in the order of the recipe; empty for a stage that trains nothing. */
export function peersOf(stage: StageRecipe): ReadonlyMap<string, PeerRecipe> {
  if (!isTrainingStage(stage)) return new Map();
  const names = peerKeys(stage);
  const recipes = names.map((peer): [string, PeerRecipe] => {
    const own = valueAt(stage, ['peers', peer]) as Partial<PeerRecipe> | undefined;
    // cross-check.ts sees that each peer has what its stage may leave out.
    return [peer, { ...(stage as PeerRecipe), ...own, others: names.filter((other) => other !== peer) }];
  });
  return new Map(recipes);
}

/** The number of students that a stage trains at the same time, if there are as many. Null: any number from one. */
export function cellCount(stage: StageRecipe): number | null {
  return 'replicas' in stage ? stage.replicas * peersOf(stage).size : null;
}

/** The students of a run: those of the recipe, or as many as the stage with the most cells has. */
export function studentsOf({ workers, stages }: Pick<Recipe, 'workers' | 'stages'>): WorkersOfRole {
  return workers.students ?? Math.max(1, ...Object.values(stages).map((stage) => cellCount(stage) ?? 1));
}

/** The recipe by which a model trains; null when no stage trains such a model. */
export function peerRecipe({ stages }: Pick<Recipe, 'stages'>, { stage, peer }: PeerName): PeerRecipe | null {
  const found = Object.hasOwn(stages, stage) ? stages[stage] : undefined;
  return found === undefined ? null : (peersOf(found).get(peer) ?? null);
}

/** The key of a model by which programs find its figures: its name in the recipe; for one from outside, its stage. */
export function modelKey(recipe: Pick<Recipe, 'stages'>, name: PeerName): string {
  // No model has a name with a space in it.
  return peerRecipe(recipe, name)?.model ?? `stage ${name.stage}`;
}

/**
 * The name of a model for people: that of the recipe by which it trains, or the place that a model from outside came from, with as many of
 * its folders as tell it from the other models; null when no stage has it.
 */
export function modelLabel(recipe: Pick<Recipe, 'stages' | 'models'>, name: PeerName): string | null {
  const trained = peerRecipe(recipe, name);
  if (trained !== null) return trained.model;
  const from = sourceOf(recipe.stages, name.stage);
  if (from === null) return null;
  const own = JSON.stringify(from);
  const sources = Object.keys(recipe.stages).flatMap((stage) => sourceOf(recipe.stages, stage) ?? []);
  const others = sources.filter((other) => JSON.stringify(other) !== own);
  const isTaken = (label: string, parts: number) =>
    Object.hasOwn(recipe.models, label) || others.some((other) => labelOf(other, parts) === label);
  const most = partsOf('file' in from ? from.file : from.run).length;
  let parts = 1;
  while (parts < most && isTaken(labelOf(from, parts), parts)) parts++;
  return labelOf(from, parts);
}

/** The place in words that the model of a stage `load` came from, as a fact of an export; none for a model that the run trained. */
export function originOf(recipe: Pick<Recipe, 'stages' | 'models'>, name: PeerName): { readonly takenFrom?: string } {
  const takenFrom = sourceOf(recipe.stages, name.stage) === null ? null : modelLabel(recipe, name);
  return takenFrom === null ? {} : { takenFrom };
}

/** The place that the model of a stage `load` came from; null for every other stage. */
function sourceOf(stages: Recipe['stages'], name: string): OutsideModel | null {
  const stage = Object.hasOwn(stages, name) ? stages[name] : undefined;
  return stage?.kind === 'load' ? stage.from : null;
}

/** `model.json`, or `demo-20260101-120000:teacher (best)`, with so many parts of the path. */
function labelOf(from: OutsideModel, parts: number): string {
  const end = (path: string) => partsOf(path).slice(-parts).join('/');
  if ('file' in from) return end(from.file);
  return `${end(from.run)}${from.stage === undefined ? '' : `:${from.stage}`} (${from.epoch})`;
}

function partsOf(path: string): readonly string[] {
  return path.split(/[\\/]/).filter((part) => part !== '');
}

/** A model that a stage trains. */
export interface TrainedPeer {
  readonly name: PeerName;
  readonly recipe: PeerRecipe;
  /** The place in the whole recipe of a key by which it trains. */
  place(key: string): Path;
}

/** Every model that the stages train, in the order of the recipe. */
export function trainedPeers({ stages }: Pick<Recipe, 'stages'>): readonly TrainedPeer[] {
  return Object.entries(stages).flatMap(([name, stage]) =>
    [...peersOf(stage)].map(([peer, recipe]) => ({
      name: { stage: name, peer },
      recipe,
      place: (key: string) => ['stages', name, ...pathOfKey(stage, peer, key)],
    })),
  );
}

/**
 * Says in words why a student cannot be started for this peer: no stage that trains several models has one of this name. Null when it can,
 * also where only one of the stages has it.
 */
export function problemOfWantedPeer({ stages }: Pick<Recipe, 'stages'>, peer: string): string | null {
  const cohorts = Object.values(stages).map((stage) => [...peersOf(stage).keys()]);
  const names = [...new Set(cohorts.filter((cohort) => cohort.length > 1).flat())];
  if (names.includes(peer)) return null;
  if (names.length === 0) return `--peer ${peer}: no stage of the recipe trains several peers. Leave --peer out`;
  const match = nearest(peer, names);
  return `--peer ${peer}: no stage has such a peer${match === null ? '.' : `; did you mean "${match}"?`} The peers are ${names.join(', ')}`;
}

/** The names of the models that a training stage, as it was written, trains. */
export function namesOfPeers(name: string, stage: unknown): readonly string[] {
  return peerKeys(stage).map((peer) => spellPeer({ stage: name, peer }));
}

/** The place in its stage of a key by which a peer trains. */
function pathOfKey(stage: unknown, peer: string, key: string): Path {
  const own = ['peers', peer, key];
  return valueAt(stage, own) === undefined ? [key] : own;
}

/** Every place in a stage, as it was written, where a key by which a peer trains may stand. */
export function pathsOfKey(stage: unknown, key: string): readonly Path[] {
  return [[key], ...keysOf(entryOf(stage, 'peers')).map((peer) => ['peers', peer, key])];
}

/** The places of all terms of the stage's losses, in the stage as it was written. */
export function pathsOfTerms(stage: unknown): readonly Path[] {
  return pathsOfKey(stage, 'loss').flatMap((loss) => {
    const terms = valueAt(stage, [...loss, 'terms']);
    return Array.isArray(terms) ? terms.map((_, index) => [...loss, 'terms', index]) : [];
  });
}

/** The stage with each term of its losses changed. Its shape must be right. */
export function mapTerms(stage: StageRecipe, change: (term: TermRecipe, path: Path) => TermRecipe): StageRecipe {
  return pathsOfTerms(stage).reduce<StageRecipe>(
    (changed, path) => replaceAt(changed, path, change(valueAt(stage, path) as TermRecipe, path)) as StageRecipe,
    stage,
  );
}

function peerKeys(stage: unknown): readonly string[] {
  const keys = keysOf(entryOf(stage, 'peers'));
  return keys.length === 0 ? [MODEL_PEER] : keys;
}
