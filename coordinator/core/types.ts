/**
 * What goes into the coordinator's core and what comes out of it. The core is pure: one event and the time in, a new
 * state and a list of effects out. The shell delivers the events and performs the effects, in order.
 */

import type { Incarnation, RoundId, Term } from '../../src/base/ids.js';
import type { Recipe } from '../../src/config/schema.js';
import type { CoordinatorMessage, WorkerMessage } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';

/** What does not change during a term. */
export interface RunPlan {
  /** The name of the run's folder. */
  readonly run: string;
  readonly term: Term;
  readonly recipe: Recipe;
  /** The recipe as workers get it. */
  readonly recipeJson: string;
  /** Where workers put and fetch checkpoints. */
  readonly dataEndpoint: string;
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
  readonly timing: Timing;
}

export interface Timing {
  readonly renewEveryMs: number;
  /** Without a renewal for so long, an incarnation is dead. */
  readonly leaseMs: number;
  /** The deadline of a round before any round was measured, and the least afterwards. */
  readonly firstRoundMs: number;
  readonly roundFloorMs: number;
  /** A round may take so many times what the last rounds took per sample. */
  readonly roundFactor: number;
  /** Contributors must have averaged after so long. */
  readonly averageMs: number;
  /** A graceful stop is over after so long, with or without its checkpoint. */
  readonly stopMs: number;
}

/** A whole checkpoint on disk. */
export interface CheckpointInfo {
  readonly id: string;
  readonly stage: string;
  readonly round: number;
  /** The samples that its parameters contain, as positions of the stage's order. Disjoint, ascending. */
  readonly ranges: readonly Range[];
  /** SHA-256 of its arena. */
  readonly hash: string;
}

export interface Evaluation {
  readonly epoch: number;
  /** Share of the test split that is classified right, 0 to 1. */
  readonly accuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly millisecondsPerImage: number;
  /** Of the model: trainable and other parameters. */
  readonly parameters: number;
}

/** What a stage has come to; enough for the summary, and never made again on resume. */
export interface StageResult {
  readonly stage: string;
  readonly last: Evaluation | null;
  readonly best: Evaluation | null;
  /** The checkpoint that later stages start from; null for stages that train nothing. */
  readonly checkpoint: string | null;
  readonly commits: number;
  readonly samples: number;
  /** Seconds that the stage took in this and earlier terms. */
  readonly seconds: number;
}

/** A line of the journal. */
export type JournalRecord =
  | { readonly type: 'term'; readonly term: Term }
  | {
      readonly type: 'commit';
      readonly term: Term;
      readonly stage: string;
      readonly round: RoundId;
      readonly contributors: readonly Incarnation[];
      readonly ranges: readonly Range[];
      readonly hash: string;
      readonly committed: number;
    }
  | {
      readonly type: 'checkpoint';
      readonly term: Term;
      readonly id: string;
      readonly stage: string;
      readonly round: number;
      readonly hash: string;
    }
  /** The stage goes back to this checkpoint (null: to its beginning): nobody holds the commits after it any more. */
  | {
      readonly type: 'rollback';
      readonly term: Term;
      readonly stage: string;
      readonly checkpoint: string | null;
      readonly committed: number;
    }
  | { readonly type: 'evaluation'; readonly term: Term; readonly stage: string; readonly evaluation: Evaluation }
  | { readonly type: 'stage-done'; readonly term: Term; readonly result: StageResult }
  | { readonly type: 'run-done'; readonly term: Term };

export type CoreEvent =
  | { readonly type: 'message'; readonly peer: string; readonly message: WorkerMessage }
  | { readonly type: 'tick' }
  | { readonly type: 'checkpoint-stored'; readonly checkpoint: CheckpointInfo }
  | { readonly type: 'artifact-stored'; readonly incarnation: Incarnation; readonly stage: string }
  | { readonly type: 'stop'; readonly reason: string };

/** What a person or a script is told while the run goes on; also the lines of metrics.jsonl. */
export type Report =
  | { readonly type: 'run-started'; readonly run: string; readonly term: number; readonly stages: readonly string[] }
  | { readonly type: 'waiting'; readonly stage: string; readonly for: 'student' | 'teacher' }
  | { readonly type: 'stage-started'; readonly stage: string; readonly kind: string; readonly epochs: number; readonly samples: number }
  | {
      readonly type: 'progress';
      readonly stage: string;
      readonly round: number;
      readonly epoch: number;
      readonly epochs: number;
      readonly committed: number;
      readonly samples: number;
      /** Mean training loss of the round. */
      readonly loss: number;
      readonly imagesPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: 'evaluated'; readonly stage: string; readonly evaluation: Evaluation }
  | { readonly type: 'stage-done'; readonly result: StageResult }
  | {
      readonly type: 'worker-joined';
      readonly worker: string;
      readonly role: string;
      readonly incarnation: number;
      readonly engine: string;
    }
  | { readonly type: 'worker-gone'; readonly worker: string; readonly role: string; readonly incarnation: number; readonly reason: string }
  | { readonly type: 'run-ended'; readonly outcome: Outcome; readonly message: string };

export type Outcome = 'done' | 'failed' | 'stopped';

/** The numbers that end up in summary.json, next to what the shell knows (durations). */
export interface Summary {
  readonly engine: string;
  readonly accuracy: Readonly<Record<string, { readonly last: number; readonly best: number; readonly epoch: number }>>;
  readonly models: Readonly<Record<string, { readonly parameters: number; readonly bytes: number; readonly millisecondsPerImage: number }>>;
  readonly imagesPerSecond: Readonly<Record<string, number>>;
  readonly wireBytes: { readonly control: number; readonly data: number };
  readonly commits: number;
  readonly samplesCommitted: number;
  readonly restarts: number;
}

export type Effect =
  | { readonly type: 'send'; readonly peer: string; readonly message: CoordinatorMessage }
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
  /** Checkpoints of the stage other than these may be deleted. */
  | { readonly type: 'retain'; readonly stage: string; readonly checkpoints: readonly string[] }
  /** The last effect of a run. `code` is an error code of src/errors when the outcome is not done. */
  | { readonly type: 'finish'; readonly outcome: Outcome; readonly message: string; readonly summary: Summary };

/** Where a run goes on: nothing done yet, or what the journal and the whole checkpoints say. */
export interface Recovered {
  readonly done: readonly StageResult[];
  /** The newest whole checkpoint of the stage that is not done, if it has one. */
  readonly checkpoint: CheckpointInfo | null;
  /** Evaluations of that stage up to the checkpoint. */
  readonly evaluations: readonly Evaluation[];
  /** The highest round of any earlier term: rounds go on from there. */
  readonly round: number;
  readonly commits: number;
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
