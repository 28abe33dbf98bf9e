/**
 * The interface of the coordinator's core: its plan, its events and its effects. The core is pure: one event and the time in, a new
 * state and a list of effects out. The shell delivers the events and performs the effects, in order.
 */

import type { Incarnation, RoundId, Term } from '../../src/base/ids.js';
import type { Recipe } from '../../src/config/schema.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { CoordinatorMessage, Digests, WorkerMessage } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import type { Guess } from '../../src/protocol/parent.js';
import type { Evaluation, Outcome, Report, StageResult, Summary } from '../../src/protocol/report.js';
import type { StateName } from '../../src/protocol/state-name.js';
import type { Lockstep } from './grid.js';

/** Everything that does not change during a term. */
export interface RunPlan {
  /** The name of the run's folder. */
  readonly run: string;
  readonly term: Term;
  readonly recipe: Recipe;
  /** The recipe as workers get it. */
  readonly recipeJson: string;
  /** The address where workers put and fetch checkpoints. */
  readonly dataEndpoint: string;
  /** The digests of the data and the modules that the run rests on. */
  readonly digests: Digests;
  /** By stage, the checkpoint of each model that the run was given, which is on disk. */
  readonly given: Readonly<Record<string, CheckpointInfo>>;
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
  /** The accuracy of guessing, of the splits that are large enough to tell it from a bad model. */
  readonly guesses: Readonly<Record<string, Guess>>;
  /** Whether a model that is no better than guessing may teach. */
  readonly isForced: boolean;
  readonly timing: Timing;
}

export interface Timing {
  readonly renewEveryMs: number;
  /** An incarnation that sends no renewal for this long is dead. */
  readonly leaseMs: number;
  /** An engine must be up within this time, and a teacher must have loaded its model. */
  readonly startMs: number;
  /** The deadline of a round before any round was measured; `roundFloorMs` is the least deadline afterwards. */
  readonly firstRoundMs: number;
  readonly roundFloorMs: number;
  /** A round may take this many times as long per sample as the last one took. */
  readonly roundFactor: number;
  /** Contributors must have averaged within this time. */
  readonly averageMs: number;
  /** The longest time without a checkpoint in the middle of a stage. */
  readonly checkpointMs: number;
  /** The next part of a checkpoint that was asked for must be stored within this time. */
  readonly saveMs: number;
  /** Students that were asked to conclude a round must have reported within this time. */
  readonly concludeMs: number;
  /** A stop that was asked for is over within this time, with or without its checkpoint; the end after a failure within `saveMs`. */
  readonly stopMs: number;
  /** The time that the first stage of a term waits for the recipe's number of students, from the first one on. */
  readonly gatherMs: number;
  /** A stage that lacks a worker fails after this time. */
  readonly waitMs: number;
  /** When this many rounds, saves or loads in a row have failed, the run fails. */
  readonly failuresMax: number;
  /** The pause after the first failure; doubles with each further one, up to `retryMaxMs`. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
}

/** A checkpoint of one peer on disk. */
export interface CheckpointPart {
  readonly state: StateName;
  /** The term of the coordinator that stored it. */
  readonly term: Term;
  /** The samples that its parameters contain, as positions of the stage's order. Disjoint, ascending. */
  readonly ranges: readonly Range[];
  /** The hash of the state. */
  readonly hash: string;
}

/** A whole checkpoint: the parts of all peers of one commit. */
export interface CheckpointInfo {
  readonly stage: string;
  readonly round: number;
  readonly ranges: readonly Range[];
  /** The hash of each peer, by its name. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** A line of the journal. */
export type JournalRecord =
  | { readonly type: 'term'; readonly term: Term }
  | {
      readonly type: 'commit';
      readonly term: Term;
      readonly stage: string;
      readonly round: RoundId;
      /** The incarnations of the cells, column by column. */
      readonly contributors: readonly Incarnation[];
      readonly ranges: readonly Range[];
      /** The hash of each peer, by its name; null when the peer had one replica and its hash was not computed. */
      readonly hashes: Readonly<Record<string, string | null>>;
      readonly committed: number;
      /** The cost of lockstep to each peer, by its name; empty for one peer. */
      readonly lockstep: Readonly<Record<string, Lockstep>>;
      /** The mean training loss of each peer, by its name; empty for one peer. */
      readonly losses: Readonly<Record<string, number>>;
    }
  | {
      readonly type: 'checkpoint';
      readonly term: Term;
      readonly stage: string;
      readonly round: number;
      /** The hash of each peer, by its name. */
      readonly hashes: Readonly<Record<string, string>>;
    }
  /** The stage goes back to its checkpoint of this round (null: to its beginning): nobody holds the commits after it. */
  | {
      readonly type: 'rollback';
      readonly term: Term;
      readonly stage: string;
      readonly round: number | null;
      readonly committed: number;
    }
  /** These samples are taken out of the stage: a step of this peer with them was not finite. */
  | { readonly type: 'skip'; readonly term: Term; readonly stage: string; readonly peer: string; readonly ranges: readonly Range[] }
  | { readonly type: 'evaluation'; readonly term: Term; readonly stage: string; readonly evaluation: Evaluation }
  | { readonly type: 'stage-done'; readonly term: Term; readonly result: StageResult }
  /** The finished stage goes on with more epochs, or is done again because the stage that it needs goes on. */
  | { readonly type: 'reopen'; readonly term: Term; readonly stage: string }
  | { readonly type: 'run-done'; readonly term: Term };

export type CoreEvent =
  | { readonly type: 'message'; readonly connection: string; readonly message: WorkerMessage }
  | { readonly type: 'tick' }
  /** A part of the checkpoint of this state is on disk, and others are to come. */
  | { readonly type: 'checkpoint-part'; readonly state: StateName }
  /** `slotsOf`: the number of replicas whose optimiser's state is in it. */
  | { readonly type: 'checkpoint-stored'; readonly checkpoint: CheckpointPart; readonly slotsOf: number }
  /** The end of an export. `round`: the one that its effect named. */
  | { readonly type: 'exported'; readonly stage: string; readonly round: number }
  | {
      readonly type: 'export-failed';
      readonly stage: string;
      readonly round: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** Somebody wants a checkpoint of what is committed. */
  | { readonly type: 'checkpoint' }
  | { readonly type: 'stop'; readonly reason: string };

export type Effect =
  | { readonly type: 'send'; readonly connection: string; readonly message: CoordinatorMessage }
  /** Deliver a tick at this time. Replaces the wake-up that was set before. */
  | { readonly type: 'wake'; readonly atMs: number }
  | { readonly type: 'journal'; readonly record: JournalRecord }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'report'; readonly report: Report }
  /** Checkpoints of the stage whose rounds are not in this list may be deleted. */
  | { readonly type: 'retain'; readonly stage: string; readonly rounds: readonly number[] }
  /** Write the model of this state, from its checkpoint, for the stage `stage`. Answered by `exported` or `export-failed`. */
  | {
      readonly type: 'export';
      readonly stage: string;
      readonly round: RoundId;
      readonly state: StateName;
      /** The hash of the state. */
      readonly hash: string;
      /** The test of this state in its own stage. */
      readonly epoch: number | null;
      readonly accuracy: number | null;
    }
  /** The last effect of a run. `code` is null when the outcome is `done`. */
  | {
      readonly type: 'finish';
      readonly outcome: Outcome;
      readonly code: ErrorCode | null;
      readonly message: string;
      readonly summary: Summary;
    };

/** The place where a run goes on: nothing done yet, or the state in the journal and the whole checkpoints. */
export interface Recovered {
  readonly done: readonly StageResult[];
  /** The stage that has begun and is not done; null when there is none. */
  readonly stage: string | null;
  /** The whole checkpoints of the stage that is not done, oldest first. It goes on from the last. */
  readonly checkpoints: readonly CheckpointInfo[];
  /** The rounds after that one whose checkpoints were stored, oldest first: they are not whole any more, or are gone. */
  readonly lost: readonly number[];
  /** The samples that were taken out of that stage. */
  readonly skipped: readonly Range[];
  /** The evaluations of that stage up to the checkpoint. */
  readonly evaluations: readonly Evaluation[];
  /** The highest round of any earlier term. The next round gets the number after it. */
  readonly round: number;
  /** The number of commits in the journal, in all and of the stage that is not done, including those that were undone later. */
  readonly commits: number;
  readonly stageCommits: number;
  /** The cost of lockstep to each peer of that stage, over those commits. */
  readonly lockstep: Readonly<Record<string, Lockstep>>;
  /** The training loss of each peer of that stage in its last commit that stands. */
  readonly losses: Readonly<Record<string, number>>;
  /** Whether there are commits after the last checkpoint, which are undone. */
  readonly isBehind: boolean;
}

/**
 * The core is two functions, in run.ts:
 *   startRun(plan, recovered, nowMs): Transition
 *   stepRun(state, event, nowMs): Transition
 */
export interface Transition<State> {
  readonly state: State;
  readonly effects: readonly Effect[];
}
