/**
 * The models from outside that a recipe takes into its run: each is read from its source and held against the recipe's data. The parts that
 * the run needs of it (layers and parameters) are a checkpoint, which the coordinator takes into the run's folder, so that the source is
 * needed once.
 */

import { join } from 'node:path';
import { z } from 'zod';
import { present } from '../base/assert.js';
import { asTerm } from '../base/ids.js';
import { readDoneStages } from '../checkpoint/done-stage.js';
import { FACTS_KEY } from '../checkpoint/model-export.js';
import { placeOf } from '../checkpoint/place.js';
import { type CheckpointContent, readCheckpointOf } from '../checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../checkpoint/store.js';
import { loadStages, loadsInUse, type PlacedRecipe } from '../config/outside-model.js';
import { MODEL_PEER } from '../config/peer.js';
import { formatPath, type Path, valueAt } from '../config/problem.js';
import type { OutsideModel, Recipe } from '../config/schema.js';
import { needsOf, stageOrder } from '../config/stage-graph.js';
import { type DataInfo, inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ModelSource } from '../nn/taken-model.js';
import { makeTemporaryFolder, removeTemporaryFolder } from '../process/temporary-folder.js';
import { GIVEN_ROUND, type StateName } from '../protocol/state-name.js';
import { hashState } from '../tensor/state-tensors.js';
import { RecipeFault } from './recipe-fault.js';
import { readRunModel } from './run-model.js';

/** A model from outside, as the run takes it. */
interface GivenModel {
  readonly content: CheckpointContent;
  /** Facts that a person should know; the model can be taken. */
  readonly warnings: readonly string[];
}

/** The data that the model is to fit: its shape, and how the recipe normalises it. */
export type GivenData = Pick<DataInfo, 'height' | 'width' | 'channels' | 'classes'> & Pick<Recipe['data'], 'normalise'>;

/** Reads the model of a stage `load`. Throws `model.invalid` when it does not fit the data, and the errors of its source. */
export async function openGivenModel(stage: string, from: OutsideModel, data: GivenData): Promise<GivenModel> {
  // Loaded only here: tfjs takes half a second to load, and few recipes take a model from outside.
  const { openEngine } = await import('../engines/catalogue.js');
  const { takeModel } = await import('../nn/taken-model.js');
  await openEngine('cpu');
  const source = await readSource(from);
  const { topology, parameters, schema, metadata } = await takeModel(source.model, data);
  const tensors = new Map([
    ['parameters', parameters],
    ['slots', new Float32Array(0)],
  ]);
  const hash = hashState(tensors);
  const facts = 'file' in from ? factsIn(metadata) : { hash: null, normalise: source.normalise };
  const changed = facts.hash === null || facts.hash === hash ? [] : [CHANGED_SINCE];
  return {
    content: { info: { state: givenState(stage), term: asTerm(1), ranges: [], hash, schema }, tensors, topology },
    warnings: [...source.warnings, ...changed, ...warningsOf(facts, data)],
  };
}

const CHANGED_SINCE = 'the numbers of the model are not those that it was exported with: it was changed since, or is damaged';

/** A stage `load`, with the place in the recipe where its user has named the model. */
interface GivenStage {
  readonly stage: string;
  readonly from: OutsideModel;
  readonly path: Path;
}

/** The models from outside of a recipe. */
export interface GivenModels {
  /** The stages whose models are needed. */
  readonly stages: readonly GivenStage[];
  /** The folders that have a checkpoint of each; a model is in the first that has a checkpoint of its stage. */
  readonly folders: readonly string[];
  /** That of the folders which was made for the coordinator; the caller removes it. Null when no model was taken now. */
  readonly folder: string | null;
  readonly warnings: readonly string[];
}

/** Reads, checks and keeps the models of a new run. Throws {@link RecipeFault}, with the place in the recipe. */
export async function takeGivenModels({ recipe, places }: PlacedRecipe): Promise<GivenModels> {
  const stages = givenStages({ recipe, places });
  const taken = await keep(stages, recipe.data);
  return { stages, folders: taken.folder === null ? [] : [taken.folder], ...taken };
}

/**
 * The same for the run in a folder that goes on: its own copies are kept, and a stage that was added since, or that it had no time to take,
 * or whose copy is damaged, gets its model now. A model that only finished stages name is not looked for. `before`: the recipe with which the
 * run last went on. Throws `checkpoint.damaged` and the errors of the source.
 */
export async function takeMissingModels({ recipe, places }: PlacedRecipe, run: string, before: Recipe | null): Promise<GivenModels> {
  const checkpoints = join(run, 'checkpoints');
  const done = await readDoneStages(join(run, 'journal'));
  const inUse = loadsInUse(recipe, staysDone(recipe, before, new Set(done.keys())));
  const stages = givenStages({ recipe, places }).filter(({ stage }) => inUse.includes(stage));
  const wanted: WantedModel[] = [];
  for (const own of stages) {
    const fault = await faultOfCopy(checkpoints, givenState(own.stage));
    if (fault !== null) wanted.push({ ...own, copy: { fault, checkpoints, hash: done.get(own.stage)?.hashes[MODEL_PEER] ?? null } });
  }
  const taken = await keep(wanted, recipe.data).catch((error: unknown) => {
    throw error instanceof RecipeFault ? new StillhouseError(error.code, `${formatPath(error.path)}: ${error.message}`) : error;
  });
  return { stages, folders: [...(taken.folder === null ? [] : [taken.folder]), checkpoints], ...taken };
}

/** Removes the folder of the models, if there is one. */
export async function discardGivenModels(folder: string | null): Promise<void> {
  if (folder !== null) await removeTemporaryFolder(folder);
}

/** The state that a given model becomes. */
function givenState(stage: string): StateName {
  return { stage, peer: MODEL_PEER, round: GIVEN_ROUND };
}

function givenStages({ recipe, places }: PlacedRecipe): readonly GivenStage[] {
  return loadStages(recipe).map(([stage, { from }]) => ({ stage, from, path: present(places[stage], `the place of ${stage}`) }));
}

/** The finished stages that are not opened again: with more epochs a stage goes on, and the stages that need it are done again. */
function staysDone({ stages }: Recipe, before: Recipe | null, done: ReadonlySet<string>): ReadonlySet<string> {
  const epochsOf = (stage: unknown) => valueAt(stage, ['epochs']);
  const still = new Set<string>();
  for (const name of stageOrder({ stages })) {
    const isAsBefore = before === null || epochsOf(before.stages[name]) === epochsOf(stages[name]);
    const needs = needsOf(present(stages[name], `stage ${name}`));
    if (done.has(name) && isAsBefore && needs.every((need) => still.has(need))) still.add(name);
  }
  return still;
}

/** The reason why the run's own copy of a model cannot be used; null when it is whole. */
async function faultOfCopy(checkpoints: string, state: StateName): Promise<StillhouseError | null> {
  try {
    await readCheckpointOf(checkpoints, state);
    return null;
  } catch (error) {
    const isFault = error instanceof StillhouseError && (error.code === 'checkpoint.missing' || error.code === 'checkpoint.damaged');
    if (isFault) return error;
    throw error;
  }
}

interface WantedModel extends GivenStage {
  /** The run's own copy, of a run that goes on: the fault of it, and the hash that the run has worked with. */
  readonly copy?: { readonly fault: StillhouseError; readonly checkpoints: string; readonly hash: string | null };
}

/** Keeps the models in a folder with a checkpoint of each. */
async function keep(wanted: readonly WantedModel[], recipe: Recipe['data']): Promise<Pick<GivenModels, 'folder' | 'warnings'>> {
  if (wanted.length === 0) return { folder: null, warnings: [] };
  const data = { ...(await inspectData(recipe)), normalise: recipe.normalise };
  const folder = makeTemporaryFolder('stillhouse-given-');
  try {
    const store = await openCheckpointStore(folder);
    const warnings: string[] = [];
    for (const own of wanted) {
      const given = await openGivenModel(own.stage, own.from, data).catch((error: unknown) => {
        throw error instanceof StillhouseError ? faultOfSource(own, error) : error;
      });
      requireSame(own, given.content.info.hash);
      const outcome = await store.put(given.content);
      if (!outcome.stored) throw new RecipeFault(own.path, 'model.invalid', outcome.message);
      const again =
        own.copy?.fault.code === 'checkpoint.damaged'
          ? [`the run's copy of the model is damaged, so it is taken again from its source`]
          : [];
      warnings.push(...[...again, ...given.warnings].map((text) => `${formatPath(own.path)}: ${text}`));
    }
    return { folder, warnings };
  } catch (error) {
    await discardGivenModels(folder);
    throw error;
  }
}

/** The error of a source. Where the run has a copy that is damaged, that is what has to be mended. */
function faultOfSource({ stage, path, copy }: WantedModel, error: StillhouseError): Error {
  if (copy?.fault.code !== 'checkpoint.damaged') return new RecipeFault(path, error.code, error.message);
  const what = `${formatPath(path)}: the run's copy of this model is damaged (${copy.fault.message}), and its source cannot be read (${error.message})`;
  return new StillhouseError('checkpoint.damaged', what, {
    file: join(copy.checkpoints, placeOf(givenState(stage))),
    hint: 'Put the source back, or a whole copy of that folder, and resume the run again',
  });
}

/** Refuses another model than the one that the run has worked with. */
function requireSame({ path, copy }: WantedModel, hash: string): void {
  if (copy === undefined || copy.hash === null || copy.hash === hash) return;
  const what = `the run has no whole copy of this model any more (${copy.fault.message}), and its source has another model now`;
  throw new RecipeFault(path, 'model.invalid', `${what}. Put the model back that the run began with, or begin a new run`);
}

interface Source {
  readonly model: ModelSource;
  /** The normalisation that it was trained with, where its run says so. */
  readonly normalise: Recipe['data']['normalise'] | null;
  readonly warnings: readonly string[];
}

async function readSource(from: OutsideModel): Promise<Source> {
  if ('file' in from) return { model: { saved: from.file }, normalise: null, warnings: [] };
  const { content, recipe, warnings } = await readRunModel(from);
  const parameters = present(content.tensors.get('parameters'), 'the parameters of a state');
  return { model: { described: { topology: content.topology, parameters, file: from.run } }, normalise: recipe.data.normalise, warnings };
}

/** The things that the source says of its model; null for each that it does not. */
interface SourceFacts {
  /** The hash of its parameters. */
  readonly hash: string | null;
  readonly normalise: Recipe['data']['normalise'] | null;
}

/** The facts that an export of ours has in its metadata. */
const exportSchema = z.object({
  [FACTS_KEY]: z.object({ parametersSha256: z.string(), mean: z.array(z.number()), std: z.array(z.number()) }),
});

function factsIn(metadata: unknown): SourceFacts {
  const own = exportSchema.safeParse(metadata).data?.[FACTS_KEY];
  return own === undefined ? { hash: null, normalise: null } : { hash: own.parametersSha256, normalise: { mean: own.mean, std: own.std } };
}

function warningsOf({ normalise: before }: SourceFacts, { normalise: now }: GivenData): readonly string[] {
  if (before === null || JSON.stringify(before) === JSON.stringify(now)) return [];
  const spell = ({ mean, std }: Recipe['data']['normalise']) => `mean [${mean.join(', ')}] and std [${std.join(', ')}]`;
  return [`the model was trained with ${spell(before)}, and data.normalise has ${spell(now)}`];
}
