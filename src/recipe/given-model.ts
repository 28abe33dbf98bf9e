/**
 * The models from outside that a recipe takes into its run: each is read from its source and held against the recipe's data. The parts that
 * the run needs of it (layers and parameters) are a checkpoint, which the coordinator takes into the run's folder, so that the source is
 * needed once.
 */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { present } from '../base/assert.js';
import { asTerm } from '../base/ids.js';
import { FACTS_KEY } from '../checkpoint/model-export.js';
import type { CheckpointContent } from '../checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../checkpoint/store.js';
import { MODEL_PEER, trainedPeers } from '../config/peer.js';
import { formatPath, type Path } from '../config/problem.js';
import type { OutsideModel, Recipe } from '../config/schema.js';
import { type DataInfo, inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ModelSource } from '../nn/taken-model.js';
import { GIVEN_ROUND } from '../protocol/state-name.js';
import { hashState } from '../tensor/state-tensors.js';
import { RecipeFault } from './recipe-fault.js';
import { readRunModel, readTrainingOf } from './run-model.js';

/** A model from outside, as the run takes it. */
export interface GivenModel {
  readonly content: CheckpointContent;
  /** Facts that a person should know; the model can be taken. */
  readonly warnings: readonly string[];
}

/** The data that the model is to fit: its shape, and how the recipe normalises it. */
export type GivenData = Pick<DataInfo, 'height' | 'width' | 'channels' | 'classes'> & Pick<Recipe['data'], 'normalise'>;

/** Reads the model of a stage `load`. Throws `model.invalid` when it does not fit the data or is damaged, and the errors of its source. */
export async function openGivenModel(stage: string, from: OutsideModel, data: GivenData): Promise<GivenModel> {
  // Loaded only here: tfjs takes half a second to load, and few recipes take a model from outside.
  const { openEngine } = await import('../engines/catalogue.js');
  const { takeModel } = await import('../nn/taken-model.js');
  await openEngine('cpu');
  const { topology, parameters, schema, metadata } = await takeModel(await sourceOf(from), data);
  const tensors = new Map([
    ['parameters', parameters],
    ['slots', new Float32Array(0)],
  ]);
  const hash = hashState(tensors);
  const facts = 'file' in from ? factsIn(metadata) : { hash: null, normalise: (await readTrainingOf(from))?.recipe.data.normalise ?? null };
  if (facts.hash !== null && facts.hash !== hash) {
    throw new StillhouseError('model.invalid', 'the numbers of the model are not those that it was exported with: a file is damaged', {
      file: 'file' in from ? from.file : from.run,
      hint: 'Copy or export it again',
    });
  }
  const state = { stage, peer: MODEL_PEER, round: GIVEN_ROUND };
  return {
    content: { info: { state, term: asTerm(1), ranges: [], hash, schema }, tensors, topology },
    warnings: warningsOf(stage, facts, data),
  };
}

/** The stages `load` of a recipe, each with the place in it that names the model. */
export function givenStages({ stages }: Recipe): readonly { readonly stage: string; readonly from: OutsideModel; readonly path: Path }[] {
  return Object.entries(stages).flatMap(([stage, own]) => {
    if (own.kind !== 'load') return [];
    const user = trainedPeers({ stages }).find(({ recipe }) => recipe.teacher === stage || recipe.init === stage);
    // A stage that loading the recipe has made is in no file: the stage that uses it is.
    const path =
      user === undefined || !stage.startsWith(user.name.stage)
        ? ['stages', stage, 'from']
        : user.place(user.recipe.teacher === stage ? 'teacher' : 'init');
    return [{ stage, from: own.from, path }];
  });
}

/** The models from outside of a recipe, kept for its run. */
export interface TakenModels {
  /** A folder with a checkpoint of each, for the coordinator; the caller removes it. Null when there are none. */
  readonly folder: string | null;
  readonly warnings: readonly string[];
}

/** Reads, checks and keeps the models, without those of the stages `taken`. Throws {@link RecipeFault}, with the place in the recipe. */
export async function takeGivenModels(recipe: Recipe, taken: ReadonlySet<string> = new Set()): Promise<TakenModels> {
  const stages = givenStages(recipe).filter(({ stage }) => !taken.has(stage));
  if (stages.length === 0) return { folder: null, warnings: [] };
  const data = { ...(await inspectData(recipe.data)), normalise: recipe.data.normalise };
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-given-'));
  try {
    const store = await openCheckpointStore(folder);
    const warnings: string[] = [];
    for (const { stage, from, path } of stages) {
      const given = await openGivenModel(stage, from, data).catch((error: unknown) => {
        throw error instanceof StillhouseError ? new RecipeFault(path, error.code, error.message) : error;
      });
      const outcome = await store.put(given.content);
      if (!outcome.stored) throw new RecipeFault(path, 'model.invalid', outcome.message);
      warnings.push(...given.warnings);
    }
    return { folder, warnings };
  } catch (error) {
    await discardGivenModels(folder);
    throw error;
  }
}

/**
 * The same for the run in a folder that goes on: its own copies are kept, and a stage that was added since, or that it had no time to take,
 * gets its model now.
 */
export async function takeMissingModels(recipe: Recipe, run: string): Promise<TakenModels> {
  const stages = givenStages(recipe).map(({ stage }) => stage);
  const taken = stages.filter((stage) => existsSync(join(run, 'checkpoints', stage)));
  return takeGivenModels(recipe, new Set(taken)).catch((error: unknown) => {
    throw error instanceof RecipeFault ? new StillhouseError(error.code, `${formatPath(error.path)}: ${error.message}`) : error;
  });
}

/** Removes the folder of the models, if there is one. */
export async function discardGivenModels(folder: string | null): Promise<void> {
  if (folder !== null) await rm(folder, { recursive: true, force: true });
}

async function sourceOf(from: OutsideModel): Promise<ModelSource> {
  if ('file' in from) return { saved: from.file };
  const { tensors, topology } = await readRunModel(from);
  return { described: { topology, parameters: present(tensors.get('parameters'), 'the parameters of a state'), file: from.run } };
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

function warningsOf(stage: string, { normalise: before }: SourceFacts, { normalise: now }: GivenData): readonly string[] {
  if (before === null || JSON.stringify(before) === JSON.stringify(now)) return [];
  const spell = ({ mean, std }: Recipe['data']['normalise']) => `mean [${mean.join(', ')}] and std [${std.join(', ')}]`;
  return [`stages.${stage}: the model was trained with ${spell(before)}, and data.normalise has ${spell(now)}`];
}
