/** A trained model of another run, read from the folder of that run alone: its data and its modules need not be there any more. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bestRound, readEvaluatedRounds } from '../checkpoint/kept-epoch.js';
import { type CheckpointContent, readCheckpointOf, readNewestCheckpoint } from '../checkpoint/read-checkpoint.js';
import { requireRunFormat } from '../checkpoint/run-format.js';
import { loadRecipe } from '../config/load.js';
import { spellPeer } from '../config/peer.js';
import type { OutsideModel, Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { chooseModel } from './choose-model.js';

type OfRun = Extract<OutsideModel, { run: string }>;

/** Reads the model. Throws `run.invalid`, `usage.invalid` for a stage that trains no model, and the errors of its checkpoint. */
export async function readRunModel({ run, stage, epoch }: OfRun): Promise<CheckpointContent> {
  const { name } = chooseModel(await readRunRecipe(run), stage);
  requireRunFormat(run);
  const checkpoints = join(run, 'checkpoints');
  if (epoch === 'last') return readNewestCheckpoint(checkpoints, name);
  const best = bestRound(await readEvaluatedRounds(join(run, 'journal'), name));
  if (best !== null) return readCheckpointOf(checkpoints, { ...name, round: best.round });
  throw new StillhouseError('checkpoint.missing', `no checkpoint of ${spellPeer(name)} has been tested in this run, so none is the best`, {
    file: run,
    hint: 'Take its last epoch',
  });
}

/** The recipe of the other run, and the name of its stage that trained the model; null when the folder cannot be read. */
export async function readTrainingOf(from: OfRun): Promise<{ readonly recipe: Recipe; readonly name: string } | null> {
  try {
    const recipe = await readRunRecipe(from.run);
    return { recipe, name: chooseModel(recipe, from.stage).name.stage };
  } catch (error) {
    if (error instanceof StillhouseError) return null;
    throw error;
  }
}

async function readRunRecipe(run: string): Promise<Recipe> {
  const file = join(run, 'config.resolved.yaml');
  if (existsSync(file)) return loadRecipe(file);
  throw new StillhouseError('run.invalid', 'this folder is not a run', { file: run, hint: 'Give a folder that "stillhouse run" made' });
}
