/**
 * Finds all mistakes of a recipe that can be found before a run begins: in its text, its data files (read to the last label), its models
 * (each is built once), its losses with the layers that they tap (each term is computed once), and its training steps (each model that a
 * stage trains makes one). Models, terms and steps are tried in a process of its own, while this one reads the data.
 */

import { findIdleSettings } from '../config/idle-setting.js';
import type { Recipe } from '../config/schema.js';
import { classNamesOf } from '../data/class-names.js';
import type { DataContent, DataInfo } from '../data/dataset.js';
import type { GivenTraining } from '../protocol/training-split.js';
import { classWarnings, lacksClasses, overlapWarnings } from './data-warning.js';
import { dividedRelations } from './divided-relation.js';
import { discardGivenModels, takeGivenModels } from './given-model.js';
import { trainingOutside } from './given-training.js';
import { largeSteps } from './large-step.js';
import { loadPlacedRecipe } from './load-recipe.js';
import { LossCheck } from './loss-check.js';
import { placeFault } from './recipe-fault.js';
import type { TrialFindings } from './trial/ask-trial.js';
import { readAndTry } from './trial/read-and-try.js';
import { type WorkSize, workSizes } from './work-size.js';

export interface CheckedRecipe extends Omit<TrialFindings, 'warnings'> {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** The content of its files. */
  readonly content: DataContent;
  /** Facts that a person should know; the recipe can be run. */
  readonly warnings: readonly string[];
  /** The work of each stage that trains, with the students of the recipe. */
  readonly work: readonly WorkSize[];
  /** The facts that are known of the images that the models from outside were trained on. */
  readonly training: GivenTraining;
  /** A folder with the models from outside, for the coordinator (given-model.ts); null when there are none. The caller removes it. */
  readonly given: string | null;
}

export interface CheckOptions {
  /** Overrides of the command line. */
  readonly set?: readonly string[] | undefined;
  /** Leaves out the training steps. */
  readonly isQuick?: boolean | undefined;
  /** Checks something else of the recipe at the same time. */
  readonly meanwhile?: (recipe: Recipe) => Promise<void>;
  /** The limit of the trial. Only tests give another. */
  readonly trialMs?: number;
}

/** Loads and checks a recipe. Throws the errors of loadRecipe, inspectData, `meanwhile`, and those of models, terms and steps with their line. */
export async function checkRecipe(
  file: string,
  { set = [], isQuick = false, meanwhile, trialMs }: CheckOptions = {},
): Promise<CheckedRecipe> {
  const placed = await loadPlacedRecipe(file, { set });
  const { recipe } = placed;
  const given = await takeGivenModels(placed).catch(async (error: unknown) => {
    throw await placeFault(file, error);
  });
  try {
    const { data, content, findings } = await readAndTry(recipe, { given, isQuick, meanwhile, deadlineMs: trialMs });
    const { warnings: shown, ...tried } = findings;
    const idle = findIdleSettings(recipe).map(({ text }) => text);
    const training = await trainingOutside(recipe, content);
    const overlaps = overlapWarnings(recipe, content, training);
    const work = workSizes(recipe, data.splitSizes, findings);
    const large = largeSteps(recipe, data.splitSizes, work);
    const divided = dividedRelations(await new LossCheck().termsOverBatch(recipe), work);
    const lacking = lacksClasses(content) ? classWarnings(recipe, content, await classNamesOf(recipe.data)) : [];
    const warnings = [...idle, ...large, ...divided, ...given.warnings, ...lacking, ...overlaps, ...shown];
    return { recipe, data, content, ...tried, warnings, work, training, given: given.folder };
  } catch (error) {
    await discardGivenModels(given.folder);
    throw await placeFault(file, error);
  }
}
