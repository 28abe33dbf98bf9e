/** A trained model of another run, read from the folder of that run alone: its data and its modules need not be there any more. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readChosenCheckpoint } from '../checkpoint/chosen-checkpoint.js';
import type { CheckpointContent } from '../checkpoint/read-checkpoint.js';
import { requireRunFormat } from '../checkpoint/run-format.js';
import { CONFIG_FILE, loadRecipe } from '../config/load.js';
import type { OutsideModel, Recipe, SplitRecipe, TrainingStage } from '../config/schema.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { chooseFinishedModel, chooseModel } from './choose-model.js';
import type { OutsideTraining } from './data-warning.js';

type OfRun = Extract<OutsideModel, { run: string }>;

/** Reads the model. Throws `run.invalid`, `usage.invalid` for a stage that has no model, and the errors of its checkpoint. */
export async function readRunModel({ run, stage, epoch }: OfRun): Promise<CheckpointContent> {
  const model = chooseFinishedModel(await readRunRecipe(run), stage);
  requireRunFormat(run);
  const files = { checkpoints: join(run, 'checkpoints'), journal: join(run, 'journal') };
  return (await readChosenCheckpoint(files, { ...model, which: epoch })).content;
}

/** The samples that the models from other runs were trained on, where those runs used the same files. */
export async function trainingOutside(recipe: Recipe): Promise<OutsideTraining> {
  const found = new Map<string, SplitRecipe>();
  for (const [name, own] of Object.entries(recipe.stages)) {
    const other = own.kind === 'load' && 'run' in own.from ? await readTrainingOf(own.from) : null;
    if (other === null) continue;
    const { format, path, splits } = other.recipe.data;
    const split = splits[other.stage.on];
    if (split !== undefined && format === recipe.data.format && path === recipe.data.path) found.set(name, split);
  }
  return found;
}

/** The stage of the other run that trained the model, and that run's recipe; null when the folder cannot be read. */
export async function readTrainingOf(from: OfRun): Promise<{ readonly recipe: Recipe; readonly stage: TrainingStage } | null> {
  try {
    const recipe = await readRunRecipe(from.run);
    const { name } = chooseModel(recipe, from.stage);
    const stage = recipe.stages[name.stage];
    return stage !== undefined && isTrainingStage(stage) ? { recipe, stage } : null;
  } catch (error) {
    if (error instanceof StillhouseError) return null;
    throw error;
  }
}

async function readRunRecipe(run: string): Promise<Recipe> {
  const file = join(run, CONFIG_FILE);
  if (existsSync(file)) return loadRecipe(file);
  throw new StillhouseError('run.invalid', 'this folder is not a run', { file: run, hint: 'Give a folder that "stillhouse run" made' });
}
