/** The training of the models from outside of a run that goes on. */

import { join } from 'node:path';
import type { Recipe } from '../config/schema.js';
import type { VerifiedData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { GivenTraining } from '../protocol/training-split.js';
import { BASIS_FILE, readBasis } from '../recipe/basis.js';
import { trainingOutside } from '../recipe/given-training.js';

/**
 * Takes it from the run's folder; where the run kept nothing, from the sources. A source that cannot be read says nothing: the
 * run needs it no more. Throws `run.invalid` when the run's own record is damaged.
 */
export async function keptTraining(recipe: Recipe, content: VerifiedData, run: string): Promise<GivenTraining> {
  const kept = readBasis(join(run, BASIS_FILE))?.training ?? {};
  try {
    return await trainingOutside(recipe, content, kept);
  } catch (error) {
    if (error instanceof StillhouseError) return kept;
    throw error;
  }
}
