/**
 * The models from outside that a run was given: they become checkpoints of their stages before the first term does anything else, so that
 * the run needs their source never again.
 */

import type { Term } from '../../src/base/ids.js';
import { readCheckpointOf } from '../../src/checkpoint/read-checkpoint.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { GIVEN_ROUND, type StateName } from '../../src/protocol/state-name.js';
import type { CheckpointInfo, RunPlan } from '../core/types.js';

export interface GivenOptions {
  readonly recipe: Recipe;
  /** The folder with a checkpoint of each, where the run is new. */
  readonly folder: string | undefined;
  readonly term: Term;
}

/** The checkpoint of each stage `load`: that of an earlier term, or the one in the folder, which is stored. Throws `run.invalid` when there is neither. */
export async function takeGivenModels(store: CheckpointStore, { recipe, folder, term }: GivenOptions): Promise<RunPlan['given']> {
  const given: Record<string, CheckpointInfo> = {};
  for (const [stage, { kind }] of Object.entries(recipe.stages)) {
    if (kind !== 'load') continue;
    const state: StateName = { stage, peer: MODEL_PEER, round: GIVEN_ROUND };
    const stored = store.list().whole.find((checkpoint) => checkpoint.state.stage === stage)?.hash;
    const hash = stored ?? (await take(store, { state, folder, term }));
    given[stage] = { stage, round: GIVEN_ROUND, ranges: [], hashes: { [MODEL_PEER]: hash } };
  }
  return given;
}

async function take(
  store: CheckpointStore,
  { state, folder, term }: Omit<GivenOptions, 'recipe'> & { readonly state: StateName },
): Promise<string> {
  if (folder === undefined) {
    throw new StillhouseError('run.invalid', `stage ${state.stage}: the model that it takes is not in the run's checkpoints`, {
      hint: 'Resume the run with `stillhouse resume`, which takes it from its source',
    });
  }
  const { info, ...content } = await readCheckpointOf(folder, state);
  const outcome = await store.put({ ...content, info: { ...info, term } });
  if (!outcome.stored) throw new StillhouseError('run.unwritable', `stage ${state.stage}: ${outcome.message}`);
  return info.hash;
}
