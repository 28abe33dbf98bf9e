/** A trained model of another run, read from the folder of that run alone: its data and its modules need not be there any more. */

import { readChosenCheckpoint } from '../checkpoint/chosen-checkpoint.js';
import type { CheckpointContent } from '../checkpoint/read-checkpoint.js';
import { requireRunFolder } from '../checkpoint/require-run-folder.js';
import { loadRecipe } from '../config/load.js';
import type { OutsideModel, Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { type ChosenModel, chooseFinishedModel } from './choose-model.js';

type OfRun = Extract<OutsideModel, { run: string }>;

/** A model of another run. */
interface RunModel {
  readonly content: CheckpointContent;
  /** The other run's. */
  readonly recipe: Recipe;
  /** Facts that a person should know; the model can be taken. */
  readonly warnings: readonly string[];
}

/** Reads the model. Throws `run.invalid`, `usage.invalid` for a stage that has no model, and the errors of its checkpoint. */
export async function readRunModel(from: OfRun): Promise<RunModel> {
  const { run, epoch } = from;
  const { recipe, model } = await findModel(from);
  const { content, doubt, lag } = await readChosenCheckpoint(run, { ...model, which: epoch });
  return { content, recipe, warnings: [lag, doubt === null ? null : doubtOf(epoch, doubt)].filter((text) => text !== null) };
}

/** Says what is not known of a model that a run is taken from, because of its journal. */
export function doubtOf(which: 'last' | 'best' | number, doubt: string): string {
  return `${which === 'best' ? 'a later epoch may be better' : 'epoch and accuracy of the model are not known'}: ${doubt}`;
}

/** The recipe of the other run, and the name of its stage that has the model; null when the folder cannot be read. */
export async function readTrainingOf(from: OfRun): Promise<{ readonly recipe: Recipe; readonly name: string } | null> {
  try {
    const { recipe, model } = await findModel(from);
    return { recipe, name: model.name.stage };
  } catch (error) {
    if (error instanceof StillhouseError) return null;
    throw error;
  }
}

const EXPORT_IT = 'Export the model with the version of Stillhouse that made the run, and give that as { file: FOLDER }';

/** The other run's recipe, and the model in it. */
async function findModel({ run, stage }: OfRun): Promise<{ readonly recipe: Recipe; readonly model: ChosenModel }> {
  const recipe = await loadRecipe(requireRunFolder(run, EXPORT_IT).config);
  try {
    return { recipe, model: chooseFinishedModel(recipe, stage) };
  } catch (error) {
    // The user reads it beside a recipe of his own.
    throw error instanceof StillhouseError ? new StillhouseError(error.code, `the run ${run}: ${error.message}`) : error;
  }
}
