/**
 * Checks a run that is to go on, before anything starts: its data is read to the last label, and a process of its own builds its models and
 * computes its terms. That process makes training steps too where something is new to the run: a stage, a model, the code of a module.
 */

import { join } from 'node:path';
import { BASIS_FILE } from '../checkpoint/require-run-folder.js';
import { CONFIG_FILE } from '../config/load.js';
import type { Recipe } from '../config/schema.js';
import type { DataContent } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { GivenTraining } from '../protocol/training-split.js';
import type { ModelStructure } from '../tensor/model-structure.js';
import { digestOf, type KeptBasis, readBasis } from './basis.js';
import type { CheckOptions } from './check-recipe.js';
import { relationWarnings } from './divided-relation.js';
import { discardGivenModels, takeMissingModels } from './given-model.js';
import { trainingOutside } from './given-training.js';
import { loadPlacedRun } from './load-run.js';
import { LossCheck } from './loss-check.js';
import { placeFault } from './recipe-fault.js';
import { readAndTry } from './trial/read-and-try.js';
import { userModules } from './user-fault.js';
import { workSizes } from './work-size.js';

export interface CheckedRun {
  readonly recipe: Recipe;
  readonly content: DataContent;
  /** The structure of each model of the recipe; without one that could not be built in time. */
  readonly structures: Readonly<Record<string, ModelStructure>>;
  /** The models of which a training step was made. */
  readonly tried: readonly string[];
  /** Facts that a person should know; the run can go on. */
  readonly warnings: readonly string[];
  /** The facts that are known of the images that its models from outside were trained on. */
  readonly training: GivenTraining;
  /** A folder with the models from outside that the run does not have yet (given-model.ts); null when there are none. The caller removes it. */
  readonly given: string | null;
}

/**
 * Loads and checks the run in this folder. Throws the errors of loadPlacedRun, takeMissingModels, inspectData and `meanwhile`, and those of models,
 * terms and steps with their line in the run's recipe. It does not refuse what has changed: the coordinator does.
 */
export async function checkRun(folder: string, { set = [], isQuick = false, meanwhile, trialMs }: CheckOptions = {}): Promise<CheckedRun> {
  const placed = await loadPlacedRun(folder, set);
  const { recipe } = placed;
  const kept = readBasis(join(folder, BASIS_FILE));
  const isWithoutSteps = kept !== null && !(await hasNews(recipe, kept));
  const given = await takeMissingModels(placed, folder, kept?.recipe ?? null);
  try {
    const { data, content, findings } = await readAndTry(recipe, {
      given,
      before: kept?.models ?? {},
      isQuick,
      isWithoutSteps,
      meanwhile,
      deadlineMs: trialMs,
    });
    const { structures, tried, warnings } = findings;
    const training = await keptTraining(recipe, content, kept?.training ?? {});
    const left = workSizes(recipe, data.splitSizes).filter(({ stage }) => !given.finished.has(stage));
    const divided = relationWarnings(await new LossCheck().termsOverBatch(recipe), left);
    return { recipe, content, structures, tried, warnings: [...divided, ...given.warnings, ...warnings], training, given: given.folder };
  } catch (error) {
    await discardGivenModels(given.folder);
    throw await placeFault(join(folder, CONFIG_FILE), error);
  }
}

/** The training that the run has kept, and the rest from the sources. One that cannot be read says nothing: the run needs it no more. */
async function keptTraining(recipe: Recipe, content: DataContent, kept: GivenTraining): Promise<GivenTraining> {
  try {
    return await trainingOutside(recipe, content, kept);
  } catch (error) {
    if (error instanceof StillhouseError) return kept;
    throw error;
  }
}

/** Whether the recipe has a stage, a model or the content of a module that the run did not begin with. */
async function hasNews(recipe: Recipe, { recipe: before, modules }: KeptBasis): Promise<boolean> {
  const isNewIn = (map: object) => (name: string) => !Object.hasOwn(map, name);
  if (Object.keys(recipe.stages).some(isNewIn(before.stages)) || Object.keys(recipe.models).some(isNewIn(before.models))) return true;
  for (const module of userModules(recipe)) if (modules[module.place] !== (await digestOf(module))) return true;
  return false;
}
