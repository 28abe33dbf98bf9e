/**
 * The models from outside that a run was given: they become checkpoints of their stages before the first term does anything else, so that
 * the run needs their source never again.
 */

import type { Term } from '../../src/base/ids.js';
import { placeOf } from '../../src/checkpoint/place.js';
import { readCheckpointOf } from '../../src/checkpoint/read-checkpoint.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { loadsInUse } from '../../src/config/outside-model.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { GIVEN_ROUND, type StateName } from '../../src/protocol/state-name.js';
import type { CheckpointInfo, RunPlan } from '../core/types.js';

interface GivenOptions {
  readonly recipe: Recipe;
  /** The folder with a checkpoint of each, where the run is new. */
  readonly folder: string | undefined;
  readonly term: Term;
  /** The stages that are done. A model that they alone name may be gone. */
  readonly done: ReadonlySet<string>;
}

/**
 * The checkpoint of each stage `load` whose model is needed: that of an earlier term, or the one in the folder, which is stored. Throws
 * `run.invalid` when there is neither, and `checkpoint.damaged`.
 */
export async function storeGivenModels(store: CheckpointStore, { recipe, folder, term, done }: GivenOptions): Promise<RunPlan['given']> {
  const given: Record<string, CheckpointInfo> = {};
  for (const stage of loadsInUse(recipe, done)) {
    const state: StateName = { stage, peer: MODEL_PEER, round: GIVEN_ROUND };
    const stored = store.list().whole.find((checkpoint) => checkpoint.state.stage === stage)?.hash;
    const hash = stored ?? (await take(store, { state, folder, term }));
    given[stage] = { stage, round: GIVEN_ROUND, ranges: [], hashes: { [MODEL_PEER]: hash } };
  }
  return given;
}

async function take(
  store: CheckpointStore,
  { state, folder, term }: Pick<GivenOptions, 'folder' | 'term'> & { readonly state: StateName },
): Promise<string> {
  const place = placeOf(state);
  const damaged = store.list().damaged.find((checkpoint) => checkpoint.place === place);
  if (folder === undefined && damaged !== undefined) {
    throw new StillhouseError('checkpoint.damaged', `the model that stage ${state.stage} takes, checkpoint ${place}: ${damaged.message}`, {
      hint: 'Put its source back and resume the run with `stillhouse resume`, which takes it again',
    });
  }
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
