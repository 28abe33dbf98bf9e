/**
 * Finds all mistakes of a recipe that can be found before a run begins: in its text, its data files (read to the last label), its models
 * (each is built once), its losses with the layers that they tap (each term is computed once), and its training steps (each model that a
 * stage trains makes one). Models, terms and steps are tried in a process of its own, while this one reads the data.
 */

import { findIdleSettings } from '../config/idle-setting.js';
import { locateInRecipe } from '../config/load.js';
import { formatPath } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { type DataInfo, inspectData, type VerifiedData, verifyData } from '../data/dataset.js';
import type { LabelledImages } from '../data/sample-source.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { GivenTraining } from '../protocol/training-split.js';
import { classWarnings, overlapWarnings } from './data-warning.js';
import { discardGivenModels, takeGivenModels } from './given-model.js';
import { trainingOutside } from './given-training.js';
import { largeSteps } from './large-step.js';
import { loadRecipe } from './load-recipe.js';
import { RecipeFault } from './recipe-fault.js';
import { askTrial, type TrialFindings } from './trial/ask-trial.js';
import { examplesOf } from './trial/examples.js';
import { type WorkSize, workSizes } from './work-size.js';

export interface CheckedRecipe extends Omit<TrialFindings, 'warnings'> {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** The content of its files. */
  readonly content: VerifiedData;
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
  const recipe = await loadRecipe(file, { set });
  const given = await takeGivenModels(recipe).catch(async (error: unknown) => {
    throw error instanceof RecipeFault ? await placed(file, error) : error;
  });
  const over = new AbortController();
  const reading = readData(recipe);
  const examples = reading.then((read) => read.examples);
  const trial = askTrial(recipe, { given: given.folder, isQuick, examples, signal: over.signal, deadlineMs: trialMs });
  const other = meanwhile?.(recipe);
  // From here on: each of them may fail while nobody awaits it yet.
  const all = Promise.allSettled([reading, trial, other]);
  try {
    const { data, content } = await reading;
    await other;
    const { warnings: shown, ...tried } = await trial;
    const idle = findIdleSettings(recipe).map(({ text }) => text);
    const training = await trainingOutside(recipe, content);
    const overlaps = overlapWarnings(recipe, content, training);
    const work = workSizes(recipe, data.splitSizes);
    const large = largeSteps(recipe, data.splitSizes, work);
    const warnings = [...idle, ...large, ...given.warnings, ...classWarnings(recipe, content), ...overlaps, ...shown];
    return { recipe, data, content, ...tried, warnings, work, training, given: given.folder };
  } catch (error) {
    over.abort();
    await discardGivenModels(given.folder);
    throw error instanceof RecipeFault ? await placed(file, error) : error;
  } finally {
    await all;
  }
}

async function readData(recipe: Recipe) {
  const data = await inspectData(recipe.data);
  const examples: Record<string, LabelledImages> = {};
  const content = await verifyData(recipe.data, undefined, (name, images) => {
    examples[name] = examplesOf(images);
  });
  return { data, content, examples };
}

/** The fault with its line in the recipe; the name of a module's file stays in its message. */
async function placed(file: string, { path, code, message }: RecipeFault): Promise<StillhouseError> {
  const place = await locateInRecipe(file, path);
  return new StillhouseError(code, `${formatPath(path)}: ${message}`, { file, ...place });
}
