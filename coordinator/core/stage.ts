/**
 * One stage under way: its ledger, the committed parameters and who holds them, the round, the evaluations.
 *
 * Invariants: rounds start from `base` only, which contains what the ledger says; an evaluation belongs to a base that
 * no rollback has undone.
 */

import type { Incarnation } from '../../src/base/ids.js';
import type { StageRecipe, TrainingStage } from '../../src/config/schema.js';
import type { Evaluation, StageResult } from '../../src/protocol/report.js';
import { committedOf, type Ledger, openLedger } from './ledger.js';
import type { Round } from './round.js';
import type { CheckpointInfo } from './types.js';

/** The committed parameters. */
export interface StageBase {
  /** The round whose commit made them; 0: the initial ones, which every worker can build. */
  readonly round: number;
  readonly hash: string | null;
  /** Live incarnations that hold them in memory. */
  readonly holders: readonly Incarnation[];
  /** The checkpoint that holds exactly them. */
  readonly checkpoint: string | null;
}

export interface Saving {
  readonly checkpoint: string;
  /** What it must be of. */
  readonly hash: string;
  readonly committed: number;
  readonly holder: Incarnation;
  readonly deadlineMs: number;
}

export interface StageState {
  readonly name: string;
  readonly recipe: StageRecipe;
  readonly ledger: Ledger;
  readonly base: StageBase;
  readonly round: Round | null;
  readonly saving: Saving | null;
  /** Whole checkpoints on the way to `base`, oldest first. */
  readonly checkpoints: readonly CheckpointInfo[];
  readonly evaluations: readonly Evaluation[];
  /** The version of the links, and what students were told; one that lost its place in a round is told again. */
  readonly linkVersion: number;
  readonly links: ReadonlyMap<Incarnation, readonly Incarnation[]>;
  readonly exported: boolean;
  /** Commits that were made, also those that a rollback has undone. */
  readonly commits: number;
  readonly commitsSinceCheckpoint: number;
  /** When the last checkpoint was asked for, or the stage taken up. */
  readonly savedMs: number;
  readonly startedMs: number;
  /** The commits of the last seconds, oldest first: the present rate. */
  readonly recent: readonly { readonly atMs: number; readonly committed: number }[];
  /** Since when a worker is missing; null when none is. */
  readonly waitingSinceMs: number | null;
  /** Milliseconds per sample of the slowest member of the last round; null before the first. */
  readonly msPerSample: number | null;
  /** Rounds, saves and loads that failed since the last one that succeeded. */
  readonly failures: number;
  /** After a failure, nothing is begun before this time. */
  readonly pauseUntilMs: number;
}

/** Whether the stage changes parameters: it has a ledger, rounds of training and checkpoints. */
export function isTraining(recipe: StageRecipe): recipe is TrainingStage {
  return recipe.kind === 'train' || recipe.kind === 'distil';
}

/** A stage at its beginning, or as a checkpoint has it. */
export function openStage(options: {
  readonly name: string;
  readonly recipe: StageRecipe;
  readonly splitSizes: Readonly<Record<string, number>>;
  /** Its own, oldest first; it goes on from the last. */
  readonly checkpoints: readonly CheckpointInfo[];
  /** Commits of earlier terms. */
  readonly commits: number;
  /** For a stage about another stage's parameters: that stage's checkpoint. */
  readonly from: StageResult['checkpoint'];
  readonly evaluations: readonly Evaluation[];
  readonly nowMs: number;
}): StageState {
  const { recipe, checkpoints } = options;
  const checkpoint = checkpoints.at(-1) ?? null;
  const size = isTraining(recipe) ? (options.splitSizes[recipe.on] ?? 0) : 0;
  const ledger = openLedger(size, isTraining(recipe) ? recipe.epochs : 0, checkpoint?.ranges ?? []);
  return {
    name: options.name,
    recipe,
    ledger,
    base: baseOf(checkpoint ?? options.from),
    round: null,
    saving: null,
    checkpoints,
    evaluations: options.evaluations,
    linkVersion: 0,
    links: new Map(),
    exported: false,
    commits: options.commits,
    commitsSinceCheckpoint: 0,
    savedMs: options.nowMs,
    startedMs: options.nowMs,
    recent: [],
    waitingSinceMs: null,
    msPerSample: null,
    failures: 0,
    pauseUntilMs: 0,
  };
}

/** The base that a checkpoint makes; without one, the initial parameters. Nobody holds it in memory yet. */
export function baseOf(checkpoint: StageResult['checkpoint']): StageBase {
  if (checkpoint === null) return { round: 0, hash: null, holders: [], checkpoint: null };
  return { round: checkpoint.round, hash: checkpoint.hash, holders: [], checkpoint: checkpoint.id };
}

/** Whole epochs that the committed parameters have seen. */
function epochsDone(stage: StageState): number {
  return stage.ledger.size === 0 ? 0 : Math.floor(committedOf(stage.ledger) / stage.ledger.size);
}

/** The epoch to evaluate for, or null when no evaluation is due. */
export function evaluationDue(stage: StageState): number | null {
  if (stage.recipe.kind === 'export') return null;
  const last = stage.evaluations.at(-1)?.epoch ?? (isTraining(stage.recipe) ? 0 : -1);
  const done = epochsDone(stage);
  if (!isTraining(stage.recipe)) return last < 0 ? 0 : null;
  if (done <= last) return null;
  const isEnd = stage.ledger.pending.length === 0 && stage.ledger.lent.length === 0;
  return isEnd || done >= last + stage.recipe.evaluateEvery ? done : null;
}

/** What the stage has come to. */
export function resultOf(stage: StageState, nowMs: number): StageResult {
  const { evaluations } = stage;
  const best = evaluations.reduce<Evaluation | null>((top, next) => (top === null || next.accuracy > top.accuracy ? next : top), null);
  return {
    stage: stage.name,
    last: evaluations.at(-1) ?? null,
    best,
    checkpoint: isTraining(stage.recipe) ? checkpointOf(stage.base) : null,
    commits: stage.commits,
    samples: committedOf(stage.ledger),
    seconds: (nowMs - stage.startedMs) / 1000,
  };
}

function checkpointOf({ checkpoint, round, hash }: StageBase): StageResult['checkpoint'] {
  return checkpoint === null || hash === null ? null : { id: checkpoint, round, hash };
}
