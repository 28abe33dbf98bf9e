/** Checkpoints: one holder of the committed state is asked to put it; what older ones are for is decided here too. */

import { assert } from '../../src/base/assert.js';
import { asRoundId } from '../../src/base/ids.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { countFailure } from './ending.js';
import { committedOf } from './ledger.js';
import { isTraining } from './stage.js';
import { journal, log, sendTo, setStage, stageOf, type Turn } from './turn.js';
import type { CheckpointInfo } from './types.js';

/** Checkpoints of a stage that are kept: a damaged one leaves others to go back to. */
const KEPT = 3;

/** Asks for a checkpoint of the base, unless there is one, or one is on its way. False when there is nobody to ask. */
export function askToSave(turn: Turn): boolean {
  const stage = stageOf(turn);
  if (stage.saving !== null || stage.base.checkpoint !== null || stage.base.round === 0) return true;
  const holder = stage.base.holders[0];
  if (holder === undefined) return false;
  const checkpoint = `${stage.name}-${stage.base.round}`;
  const deadlineMs = turn.nowMs + turn.state.plan.timing.saveMs;
  const { hash } = stage.base;
  assert(hash !== null, 'committed parameters without a hash');
  const saving = { checkpoint, hash, committed: committedOf(stage.ledger), holder, deadlineMs };
  setStage(turn, { saving, commitsSinceCheckpoint: 0, savedMs: turn.nowMs });
  sendTo(turn, holder, { type: 'coordinator.save', round: asRoundId(stage.base.round), checkpoint });
  return true;
}

/** A checkpoint is whole and on disk. One of parameters that a rollback has undone is not taken up. */
export function onStored(turn: Turn, checkpoint: CheckpointInfo): void {
  const { stage } = turn.state;
  const fields = { checkpoint: checkpoint.id, stage: checkpoint.stage, round: checkpoint.round };
  if (stage?.name !== checkpoint.stage || stage.saving?.checkpoint !== checkpoint.id) {
    log(turn, ['warn', 'checkpoint.unexpected'], fields);
    return;
  }
  const { saving } = stage;
  if (checkpoint.hash !== saving.hash || totalOf(checkpoint.ranges) !== saving.committed) {
    abandonSaving(turn, `it holds ${totalOf(checkpoint.ranges)} samples and the hash ${checkpoint.hash}, which nobody committed`);
    return;
  }
  journal(turn, { type: 'checkpoint', id: checkpoint.id, stage: checkpoint.stage, round: checkpoint.round, hash: checkpoint.hash });
  log(turn, ['info', 'checkpoint.stored'], fields);
  const checkpoints = [...stage.checkpoints, checkpoint].slice(-KEPT);
  const isBase = stage.base.round === checkpoint.round && stage.base.hash === checkpoint.hash;
  setStage(turn, {
    saving: null,
    checkpoints,
    failures: 0,
    base: isBase ? { ...stage.base, checkpoint: checkpoint.id } : stage.base,
  });
  turn.effects.push({ type: 'retain', stage: stage.name, checkpoints: checkpoints.map(({ id }) => id) });
}

/** The checkpoint under way will not come: the next one is asked of another holder, where there is one. */
export function abandonSaving(turn: Turn, why: string): void {
  const { saving, base } = stageOf(turn);
  if (saving === null) return;
  const others = base.holders.filter((holder) => holder !== saving.holder);
  setStage(turn, { saving: null, base: { ...base, holders: base.holders.includes(saving.holder) ? [...others, saving.holder] : others } });
  countFailure(turn, 'checkpoint.unwritable', `the checkpoint ${saving.checkpoint} was not stored: ${why}`);
}

/** Whether it is time for a checkpoint in mid-stage. */
export function isSaveDue(turn: Turn): boolean {
  const { recipe, commitsSinceCheckpoint, savedMs } = stageOf(turn);
  if (!isTraining(recipe) || commitsSinceCheckpoint === 0) return false;
  return commitsSinceCheckpoint >= recipe.checkpointEvery || turn.nowMs - savedMs >= turn.state.plan.timing.checkpointMs;
}
