/**
 * Checkpoints: one holder of each peer's committed parameters is asked to store them, with the optimiser's state of the other replicas,
 * and the checkpoint is whole when all parts are stored. This file also decides which older ones are kept.
 */

import { present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { LIMITS } from '../../src/base/limits.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { addressOf } from './assignment.js';
import { keptBest } from './best.js';
import { countFailure } from './ending.js';
import { committedOf } from './ledger.js';
import { isSafe, type Saving, type SavingPart, type StageBase, type StageState, withPeer } from './stage.js';
import { journal, log, report, sendTo, setStage, stageOf, type Turn } from './turn.js';
import type { CheckpointInfo, CheckpointPart } from './types.js';

/** The number of the newest checkpoints of a stage that are kept, so that a damaged one leaves others to go back to. The best are kept as well. */
const KEPT = 3;

type Parts = Saving['parts'];

/** Asks for a checkpoint of the base, unless there is one, or one is on its way. Returns false when no member holds the base. */
export function askToSave(turn: Turn): boolean {
  const stage = stageOf(turn);
  if (stage.saving !== null || isSafe(stage.base)) return true;
  const parts = partsToSave(stage.base);
  if (parts === null) return false;
  const { round } = stage.base;
  const deadlineMs = turn.nowMs + turn.state.plan.timing.saveMs;
  setStage(turn, {
    saving: { round, committed: committedOf(stage.ledger), isWanted: stage.isSaveWanted, parts, deadlineMs },
    commitsSinceCheckpoint: 0,
    isSaveWanted: false,
    savedMs: turn.nowMs,
  });
  for (const [peer, part] of parts) if (!part.isStored) sendSave(turn, { stage: stage.name, peer, round }, part.holder);
  return true;
}

/**
 * Asks the holder for the part, and the other replicas that hold it to keep their optimiser's state for it: those of the first columns, as
 * many as a checkpoint may have.
 */
function sendSave(turn: Turn, state: StateName, holder: Incarnation): void {
  const { holders, replicas } = present(stageOf(turn).base.peers.get(state.peer), 'the peer');
  const others = replicas
    .map((incarnation, column) => ({ column, ...addressOf(turn, incarnation) }))
    .filter(({ incarnation }) => incarnation !== holder && holders.includes(incarnation))
    .slice(0, LIMITS.replicaStates - 1);
  const column = Math.max(0, replicas.indexOf(holder));
  sendTo(turn, holder, { type: 'coordinator.save', state, column, others });
  for (const other of others) sendTo(turn, other.incarnation, { type: 'coordinator.save', state, column: other.column, others: null });
}

/** Somebody wants a checkpoint: it is made after the next commit, or now where a commit is not stored and no round is under way. */
export function wantSave(turn: Turn, by: string): void {
  const { stage } = turn.state;
  log(turn, ['info', 'checkpoint.wanted'], { by, stage: stage?.name ?? null });
  if (stage !== null) setStage(turn, { isSaveWanted: true });
}

/** A part for each peer, with the first holder of each part that is not stored; null when a peer has no holder. */
function partsToSave({ peers }: StageBase): Parts | null {
  const parts: [string, SavingPart][] = [];
  for (const [peer, { hash, holders, replicas, isStored }] of peers) {
    const [holder] = holders;
    if (isStored && hash !== null) parts.push([peer, { hash, isStored }]);
    else if (holder !== undefined) parts.push([peer, { holder, hash, replicas: replicas.length, isStored: false }]);
    else return null;
  }
  return new Map(parts);
}

/** Some of the bytes of a part are on disk: the rest has as long again, because how long it takes depends on its size. */
export function onPartStored(turn: Turn, { stage: name, peer, round }: StateName): void {
  const { stage, plan } = turn.state;
  const saving = stage?.saving;
  if (!stage || !saving || stage.name !== name || saving.round !== round || saving.parts.get(peer)?.isStored !== false) return;
  setStage(turn, { saving: { ...saving, deadlineMs: turn.nowMs + plan.timing.saveMs } });
}

/** A part is on disk, with the optimiser's state of so many replicas. A part of parameters that a rollback has undone is ignored. */
export function onStored(turn: Turn, stored: CheckpointPart, slotsOf: number): void {
  const { stage } = turn.state;
  const { state, hash } = stored;
  const saving = stage?.saving;
  const part = saving?.parts.get(state.peer);
  if (!stage || !saving || !part || stage.name !== state.stage || saving.round !== state.round) {
    log(turn, ['warn', 'checkpoint.unexpected'], { ...state });
    return;
  }
  if (part.isStored) return;
  if ((part.hash !== null && hash !== part.hash) || totalOf(stored.ranges) !== saving.committed) {
    onSaveFailed(turn, `it holds ${totalOf(stored.ranges)} samples and the hash ${hash}, which nobody committed`);
    return;
  }
  if (slotsOf < part.replicas) tellOfReplicas(turn, state, { slotsOf, replicas: part.replicas });
  const parts = new Map(saving.parts).set(state.peer, { hash, isStored: true });
  const isBase = stage.base.round === state.round;
  setStage(turn, {
    saving: { ...saving, parts },
    base: isBase ? withPeer(stage.base, state.peer, { hash, isStored: true }) : stage.base,
  });
  const hashes = [...parts].flatMap(([peer, { hash: own, isStored }]) => (isStored ? [[peer, own] as const] : []));
  if (hashes.length === parts.size) closeSaving(turn, { ...state, ranges: stored.ranges, hashes: Object.fromEntries(hashes) });
}

/** Says that a checkpoint has the optimiser's state of fewer replicas than there are: people hear it once, the log each time. */
function tellOfReplicas(
  turn: Turn,
  state: StateName,
  { slotsOf, replicas }: { readonly slotsOf: number; readonly replicas: number },
): void {
  const { toldOfReplicas, name } = stageOf(turn);
  const what = { stage: name, peer: state.peer, slotsOf, replicas, most: LIMITS.replicaStates };
  log(turn, ['warn', 'checkpoint.fewerReplicas'], { round: state.round, ...what });
  const told = `${slotsOf} of ${replicas}`;
  if (toldOfReplicas.get(state.peer) === told) return;
  setStage(turn, { toldOfReplicas: new Map(toldOfReplicas).set(state.peer, told) });
  report(turn, { type: 'fewer-replicas', ...what });
}

/** All parts are stored: the checkpoint is whole. */
function closeSaving(turn: Turn, { stage: name, round, ranges, hashes }: CheckpointInfo): void {
  const stage = stageOf(turn);
  const checkpoint = { stage: name, round, ranges, hashes };
  journal(turn, { type: 'checkpoint', stage: name, round, hashes });
  log(turn, ['info', 'checkpoint.stored'], { stage: name, round });
  const checkpoints = toKeep({ ...stage, checkpoints: [...stage.checkpoints, checkpoint] });
  if (stage.saving?.isWanted) report(turn, { type: 'checkpoint', stage: name, round });
  setStage(turn, { saving: null, checkpoints, failures: 0 });
  turn.effects.push({ type: 'retain', stage: name, rounds: checkpoints.map((kept) => kept.round) });
}

/** The newest checkpoints, and those of the best epoch of each peer, oldest first. */
function toKeep(stage: Pick<StageState, 'checkpoints' | 'evaluations'>): readonly CheckpointInfo[] {
  const best = new Set([...keptBest(stage).values()].map(({ round }) => round));
  const newest = stage.checkpoints.length - KEPT;
  return stage.checkpoints.filter(({ round }, i) => i >= newest || best.has(round));
}

/** The checkpoint under way has failed. The next one is asked of other holders, where there are some. */
export function onSaveFailed(turn: Turn, why: string): void {
  const { saving, base, name } = stageOf(turn);
  if (saving === null) return;
  const next = [...saving.parts].reduce((rest, [peer, part]) => (part.isStored ? rest : withHolderLast(rest, peer, part.holder)), base);
  setStage(turn, { saving: null, base: next });
  countFailure(turn, 'checkpoint.unwritable', `the checkpoint ${name}/${saving.round} was not stored: ${why}`);
}

function withHolderLast(base: StageBase, peer: string, holder: Incarnation): StageBase {
  const holders = base.peers.get(peer)?.holders ?? [];
  if (!holders.includes(holder)) return base;
  return withPeer(base, peer, { holders: [...holders.filter((other) => other !== holder), holder] });
}

/** Whether this member was asked for a part of the checkpoint under way. */
export function isSaving({ saving }: StageState, incarnation: Incarnation): boolean {
  return saving !== null && [...saving.parts.values()].some((part) => !part.isStored && part.holder === incarnation);
}

/** Whether it is time for a checkpoint in the middle of a stage. */
export function isSaveDue(turn: Turn): boolean {
  const { needs, commitsSinceCheckpoint, isSaveWanted, savedMs } = stageOf(turn);
  if (commitsSinceCheckpoint === 0) return false;
  return isSaveWanted || commitsSinceCheckpoint >= needs.checkpointEvery || turn.nowMs - savedMs >= turn.state.plan.timing.checkpointMs;
}
