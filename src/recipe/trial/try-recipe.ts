/**
 * Tries a recipe: builds each model once, computes each term once, and makes a training step of each model that a stage trains, on two
 * samples of its split. The first fault ends it.
 *
 * The engine is `wasm`, also where the run takes `tensorflow`: wasm starts in a tenth of a second, and has no native code that could end
 * the process; `tensorflow` takes a second to load, and each worker loads it again. Where wasm does not work, or lacks an operation
 * that another engine has, `cpu` takes its place: plain JavaScript, which takes seconds for a large model.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import { readCheckpointOf } from '../../checkpoint/read-checkpoint.js';
import { gathersBatch } from '../../config/batch.js';
import { MODEL_PEER, modelKey, modelLabel, peerNamed, spellPeer, type TrainedPeer, trainedPeers } from '../../config/peer.js';
import { formatPath, type Path } from '../../config/problem.js';
import type { EngineName, ModelRecipe, Recipe } from '../../config/schema.js';
import { openEngine, probeEngine } from '../../engines/catalogue.js';
import { messageOf, StillhouseError } from '../../errors/stillhouse-error.js';
import { buildModel } from '../../nn/build.js';
import { frozenLayers } from '../../nn/freeze.js';
import { shapeSourceOf } from '../../nn/knowledge-model.js';
import { openDescribedModel } from '../../nn/model-topology.js';
import { structureOf } from '../../nn/structure.js';
import { arenaSchemaOf } from '../../nn/weights.js';
import { GIVEN_ROUND } from '../../protocol/state-name.js';
import { takenKnowledge, trialsOf } from '../term-trial.js';
import { userFault, userModules } from '../user-fault.js';
import type { TrialExamples, TrialMessage, TrialPiece, TrialQuestion, UserFile } from './message.js';
import { StepTrials, type TrialModels } from './step-trial.js';

type Tell = (message: TrialMessage) => void;

export interface Trial {
  readonly question: TrialQuestion;
  /** Awaited only for the training steps. */
  readonly examples: Promise<TrialExamples>;
}

/** Tries it, and tells each finding. Throws what is a fault of the program. */
export async function tryRecipe(trial: Trial, tell: Tell): Promise<void> {
  const { workers } = trial.question.recipe;
  const engine = workers.engine !== 'cpu' && (await probeEngine('wasm')).usable ? 'wasm' : 'cpu';
  try {
    await tryOn(engine, trial, tell);
  } catch (error) {
    // The workers may use another engine than wasm, unless the recipe says so.
    if (engine === 'cpu' || workers.engine === 'wasm' || !isOfEngine(error)) return refuse(error, tell);
    await tryOn('cpu', trial, tell).catch((again: unknown) => refuse(again, tell));
  }
}

/** The message of tfjs about an operation that the engine does not have. */
const LACKS_OPERATION = /Kernel '\w+' not registered|not (yet )?(implemented|supported)/i;

/** The recipe cannot be run. */
class Refusal extends Error {
  readonly path: Path;
  readonly fault: StillhouseError;
  /** Whether tfjs itself threw the error, so that it may be one of the engine. */
  readonly isOfTfjs: boolean;

  constructor(path: Path, fault: StillhouseError, isOfTfjs = false) {
    super(fault.message, { cause: fault });
    this.path = path;
    this.fault = fault;
    this.isOfTfjs = isOfTfjs;
  }
}

/** Whether another engine may do what this one could not. */
function isOfEngine(error: unknown): boolean {
  return (error instanceof Refusal && error.isOfTfjs) || LACKS_OPERATION.test(messageOf(error));
}

function refuse(error: unknown, tell: Tell): void {
  if (!(error instanceof Refusal)) throw error;
  tell({ type: 'refused', path: error.path, code: error.fault.code, message: error.fault.message });
}

async function tryOn(engine: EngineName, { question, examples }: Trial, tell: Tell): Promise<void> {
  await openEngine(engine);
  const { recipe, given, before, hasSteps } = question;
  const { height, width, channels, classes, splitSizes } = question.data;
  const inputShape = [height, width, channels] as const;
  const attempt = async <T>(piece: TrialPiece, run: () => Promise<T>): Promise<T> => {
    tell({ type: 'begun', piece });
    return run().catch((error: unknown) => {
      throw refusalOf(error, piece, recipe) ?? error;
    });
  };
  const models: TrialModels = new Map();
  let isAsBefore = true;
  for (const [name, spec] of Object.entries(recipe.models)) {
    const model = await attempt({ what: 'model', path: ['models', name], module: moduleOf(spec) }, () =>
      buildModel(spec, { inputShape, classes, seed: recipe.seed }),
    );
    models.set(name, model);
    const structure = structureOf(model);
    isAsBefore &&= (before[name] ?? structure).digest === structure.digest;
    tell({ type: 'built', model: name, parameters: model.countParams(), structure });
  }
  if (!isAsBefore) return tell({ type: 'done' });
  for (const { stage, path } of given.stages) {
    const model = await attempt({ what: 'model', path, module: null }, () => openKeptModel(given.folders, stage));
    const key = modelKey(recipe, peerNamed(stage));
    models.set(key, model);
    tell({ type: 'built', model: key, parameters: model.countParams(), structure: null });
  }
  const facts = { shapes: new Map([...models].map(([name, model]) => [name, shapeSourceOf(model)])), splitSizes };
  const known = trainedPeers(recipe).filter(({ recipe: { teacher, init } }) =>
    [teacher, init].every((name) => name === undefined || models.has(modelKey(recipe, peerNamed(name)))),
  );
  // Code of the user's comes last: where it hangs, the rest is tried.
  const peers = known.toSorted((a, b) => Number(usesModule(a, recipe)) - Number(usesModule(b, recipe)));
  for (const peer of peers) {
    await attempt({ what: 'model', path: peer.place('init'), module: null }, async () => checkInit(peer, recipe, models));
    await attempt(
      { what: 'model', path: placeOfFreeze(peer), module: null },
      async () => void frozenLayers(present(models.get(peer.recipe.model), 'the model'), peer.recipe.freeze),
    );
    for (const { path, module, run } of trialsOf(peer, recipe, facts)) await attempt({ what: 'term', path, module: ofLoss(module) }, run);
    const isTaught = peer.recipe.teacher !== undefined;
    if (!isTaught && !gathersBatch(peer.recipe)) continue;
    const piece: TrialPiece = { what: 'term', path: peer.place('loss'), module: ofLoss(moduleOfTerms(peer)) };
    const { fromTeacher, gathered } = await attempt(piece, () => takenKnowledge(peer, recipe, facts));
    if (isTaught) tell({ type: 'taught', peer: spellPeer(peer.name), shapes: fromTeacher });
    if (gathered > 0) tell({ type: 'gathered', peer: spellPeer(peer.name), numbers: gathered });
  }
  if (hasSteps) {
    tell({ type: 'waiting' });
    const trials = new StepTrials({ recipe, models, examples: (await examples).splits, splitSizes });
    for (const { stage, path } of given.stages) {
      await attempt({ what: 'model', path, module: null }, async () => trials.judgeGiven(stage)).catch((error: unknown) => {
        if (error instanceof Refusal || isOfEngine(error)) throw error;
        tell({ type: 'untried', what: 'prediction', peer: formatPath(path), reason: messageOf(error) });
      });
    }
    for (const peer of peers) {
      const piece: TrialPiece = { what: 'step', path: peer.place('model'), module: moduleOfPeer(peer, recipe) };
      await attempt(piece, () => tryPeer({ peer, trials, engine }, tell)).catch((error: unknown) => {
        if (error instanceof Refusal || isOfEngine(error)) throw error;
        tell({ type: 'untried', what: 'training step', peer: spellPeer(peer.name), reason: messageOf(error) });
      });
    }
    trials.dispose();
  }
  tell({ type: 'done' });
}

interface PeerTrial {
  readonly peer: TrainedPeer;
  readonly trials: StepTrials;
  readonly engine: EngineName;
}

async function tryPeer({ peer, trials, engine }: PeerTrial, tell: Tell): Promise<void> {
  const found = await trials.step(peer);
  if (found.fault !== null) throw new Refusal(found.path, found.fault);
  tell({ type: 'stepped', peer: spellPeer(peer.name), engine, warnings: found.warnings });
}

/** A model from outside, as it is kept for the run. */
async function openKeptModel(folders: readonly string[], stage: string) {
  const folder = present(
    folders.find((one) => existsSync(join(one, stage))),
    `the model of ${stage}`,
  );
  const { topology, tensors } = await readCheckpointOf(folder, { stage, peer: MODEL_PEER, round: GIVEN_ROUND });
  return openDescribedModel({ topology, parameters: present(tensors.get('parameters'), 'the parameters of a state'), file: folder });
}

/** The place of the layer that a peer's `freeze` names. */
function placeOfFreeze({ recipe: { freeze }, place }: TrainedPeer): Path {
  return [...place('freeze'), ...(freeze === undefined ? [] : [freeze.through === undefined ? 'after' : 'through'])];
}

/** Throws `model.invalid` when the parameters that a peer is to begin with are those of another model. */
function checkInit({ recipe: { init, model } }: TrainedPeer, recipe: Recipe, models: TrialModels): void {
  if (init === undefined) return;
  const schemaOf = (key: string) => arenaSchemaOf(present(models.get(key), `the model ${key}`)).model.hash;
  if (schemaOf(modelKey(recipe, peerNamed(init))) === schemaOf(model)) return;
  const what = `${modelLabel(recipe, peerNamed(init))} has other layers or other sizes of weights than the model ${model}`;
  throw new StillhouseError('model.invalid', what, {
    hint: 'A stage can begin with the parameters of the same model alone: name that model, with the same options',
  });
}

function moduleOf({ module }: ModelRecipe): UserFile | null {
  return module === undefined ? null : { file: module, code: 'model.invalid' };
}

function ofLoss(module: string | null): UserFile | null {
  return module === null ? null : { file: module, code: 'loss.invalid' };
}

/** The module that runs in a step of this peer. Where there are several, that of its model. */
function moduleOfPeer(peer: TrainedPeer, { models }: Recipe): UserFile | null {
  const spec = models[peer.recipe.model];
  const own = spec === undefined ? null : moduleOf(spec);
  return own ?? ofLoss(moduleOfTerms(peer));
}

/** Whether code of the user's runs in a step of this peer. */
function usesModule(peer: TrainedPeer, recipe: Recipe): boolean {
  const { teacher, others = [] } = peer.recipe;
  const stage = peer.name.stage;
  const answering = [...(teacher === undefined ? [] : [peerNamed(teacher)]), ...others.map((other) => ({ stage, peer: other }))];
  const isOfUser = answering.some((name) => recipe.models[modelKey(recipe, name)]?.module !== undefined);
  return isOfUser || moduleOfPeer(peer, recipe) !== null;
}

/** The first of the user's modules that compute a term of this peer. */
function moduleOfTerms({ recipe: { loss } }: TrainedPeer): string | null {
  const terms = 'terms' in loss ? loss.terms : [];
  return terms.find(({ module }) => module !== undefined)?.module ?? null;
}

/** A fault of the recipe or of a user's module; null for any other error. */
function refusalOf(error: unknown, { path, module }: TrialPiece, recipe: Recipe): Refusal | null {
  if (error instanceof Refusal) return error;
  if (error instanceof StillhouseError) return new Refusal(path, error);
  const fault = userFault(error, userModules(recipe));
  if (fault !== null) return new Refusal(path, fault);
  if (module === null) return null;
  // An error of tfjs about what the module has made.
  const { file, code } = module;
  const what = `a training step cannot be made: ${messageOf(error)}`;
  return new Refusal(path, new StillhouseError(code, what, { file, cause: error }), true);
}
