/**
 * The reports that a coordinator sends to its parent (over the IPC channel) and appends to metrics.jsonl:
 * results of stages, progress, members coming and going, and the summary at the end.
 */

import type { ErrorCode } from '../errors/table.js';

export interface Evaluation {
  /** Which of the models: a stage may train several. */
  readonly peer: string;
  /** The epochs that the model has been trained; 0 in a stage of kind evaluate that tests the last epoch of a finished model. */
  readonly epoch: number;
  /** The round whose parameters were tested. */
  readonly round: number;
  /** The share of the test split that is classified right, 0 to 1. */
  readonly accuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly millisecondsPerImage: number;
  /** The number of parameters of the model, trainable and others. */
  readonly parameters: number;
  /** By the other peers of the stage: the share of the test images of which both say the same class, 0 to 1. */
  readonly agreement: Readonly<Record<string, number>>;
}

/** An evaluated epoch whose parameters are in a checkpoint. */
interface KeptEpoch {
  readonly round: number;
  readonly epoch: number;
  readonly accuracy: number;
  /** The hash of the peer's state. */
  readonly hash: string;
}

/** The result of a stage. It is enough for the summary, and is not computed again on resume. */
export interface StageResult {
  readonly stage: string;
  /** The last and the best evaluation of each peer; empty for stages that test nothing. */
  readonly tests: readonly { readonly last: Evaluation; readonly best: Evaluation }[];
  /** The checkpoint that later stages start from, with the hash of each peer; null for stages that train nothing. */
  readonly checkpoint: { readonly round: number; readonly hashes: Readonly<Record<string, string>> } | null;
  /** By peer, the best evaluation whose parameters a checkpoint holds; empty for stages that train nothing. */
  readonly best: Readonly<Record<string, KeptEpoch>>;
  readonly commits: number;
  readonly samples: number;
  /** By peer, the share of its training time in which it waited for the other peers; empty for one peer. */
  readonly waited: Readonly<Record<string, number>>;
  /** By peer, the number of its predictions that came too late; empty for one peer. */
  readonly late: Readonly<Record<string, number>>;
  /** By peer, the mean training loss of the last round; empty for one peer. */
  readonly losses: Readonly<Record<string, number>>;
  /** The number of samples that were taken out of the stage, because a step with them was not finite. */
  readonly skipped: number;
  /** The seconds that the stage took in the term that finished it. */
  readonly seconds: number;
}

/** The reports of a run for a person or a script; also the lines of metrics.jsonl. */
export type Report =
  | { readonly type: 'run-started'; readonly run: string; readonly term: number; readonly stages: readonly string[] }
  /** A run goes on with other values than it began with; each change in words. */
  | { readonly type: 'basis-changed'; readonly changes: readonly string[] }
  /** A fact about the stage that a person should know; it goes on. */
  | { readonly type: 'warning'; readonly stage: string; readonly message: string }
  /** `missing`: the models that lack a student. */
  | { readonly type: 'waiting'; readonly stage: string; readonly for: 'student' | 'teacher'; readonly missing: readonly string[] }
  | { readonly type: 'stage-started'; readonly stage: string; readonly kind: string; readonly epochs: number; readonly samples: number }
  | {
      readonly type: 'progress';
      readonly stage: string;
      readonly round: number;
      readonly epoch: number;
      readonly epochs: number;
      readonly committed: number;
      readonly samples: number;
      /** Mean training loss of the round; of several peers, their mean. */
      readonly loss: number;
      /** By peer, its mean training loss of the round; empty for one peer. */
      readonly losses: Readonly<Record<string, number>>;
      /** Share of the round's samples classified right while training, 0 to 1. */
      readonly trainAccuracy: number;
      /** By peer, the share of the round's training time in which it waited for the other peers; empty for one peer. */
      readonly waited: Readonly<Record<string, number>>;
      readonly imagesPerSecond: number;
      /** Null until the rate of the present students is known. */
      readonly secondsLeft: number | null;
    }
  /** A step of this peer was not finite: its samples are taken out of the stage. */
  | {
      readonly type: 'skipped';
      readonly stage: string;
      readonly peer: string;
      readonly worker: string;
      readonly samples: number;
      readonly message: string;
    }
  | { readonly type: 'evaluated'; readonly stage: string; readonly evaluation: Evaluation }
  /** No checkpoint holds the parameters of the best epoch of a peer. `kept`: the best epoch whose parameters one holds. */
  | {
      readonly type: 'best-lost';
      readonly stage: string;
      readonly peer: string;
      readonly epoch: number;
      readonly accuracy: number;
      readonly kept: { readonly epoch: number; readonly accuracy: number } | null;
    }
  /** A round, a save or a load failed, `failures` times in a row. */
  | { readonly type: 'trouble'; readonly stage: string; readonly code: ErrorCode; readonly message: string; readonly failures: number }
  /** The stage goes back to this checkpoint, `<stage>/<round>` (null: to its beginning): `committed` of its `samples` are done. */
  | {
      readonly type: 'rollback';
      readonly stage: string;
      readonly checkpoint: string | null;
      readonly committed: number;
      readonly samples: number;
    }
  /** A checkpoint that somebody asked for is on disk. */
  | { readonly type: 'checkpoint'; readonly stage: string; readonly round: number }
  /** A checkpoint has the optimiser's state of `slotsOf` of the replicas of this peer; it may have that of `most`. Reported when it changes. */
  | {
      readonly type: 'fewer-replicas';
      readonly stage: string;
      readonly peer: string;
      readonly slotsOf: number;
      readonly replicas: number;
      readonly most: number;
    }
  | { readonly type: 'stage-done'; readonly result: StageResult }
  | {
      readonly type: 'worker-joined';
      readonly worker: string;
      readonly role: string;
      readonly incarnation: number;
      readonly engine: string;
    }
  /** How the steps of a stage run on a worker; reported again when it changes. */
  | {
      readonly type: 'worker-prepared';
      readonly worker: string;
      readonly role: string;
      readonly engine: string;
      readonly stage: string;
      readonly traced: boolean;
      readonly precision: string;
      readonly threads: number;
      readonly note: string | null;
    }
  /** A student that the stage has no place for: it uses `seats` students now, always a multiple of its `peers`, and no more where it is full. */
  | {
      readonly type: 'worker-spare';
      readonly worker: string;
      readonly stage: string;
      readonly seats: number;
      readonly peers: number;
      readonly isFull: boolean;
    }
  /** The cell that a student takes in a stage of several peers; reported again when it changes. */
  | {
      readonly type: 'worker-seated';
      readonly worker: string;
      readonly incarnation: number;
      readonly stage: string;
      readonly peer: string;
      /** From 1. */
      readonly column: number;
    }
  | { readonly type: 'worker-gone'; readonly worker: string; readonly role: string; readonly incarnation: number; readonly reason: string }
  | { readonly type: 'run-ended'; readonly outcome: Outcome; readonly message: string };

export type Outcome = 'done' | 'failed' | 'stopped';

/** The numbers of summary.json, except those that the shell adds (durations). */
export interface Summary {
  /** The engines that took part in the last term. */
  readonly engine: string;
  /**
   * By stage, and by `stage.peer` where a stage has several models: the share of the test split classified right after the last
   * epoch, and in the best epoch (`epoch` is 0 in a stage of kind evaluate).
   */
  readonly accuracy: Readonly<Record<string, { readonly last: number; readonly best: number; readonly epoch: number }>>;
  /** By the same names: the mean cross-entropy of the test split after the last epoch. */
  readonly testLoss: Readonly<Record<string, number>>;
  /** By `stage.peer` of stages with several models, and by the other peer: the share of the test images of which both say the same class. */
  readonly agreement: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** By `stage.peer` of stages with several models: the share of its training time in which it waited for the others. */
  readonly waited: Readonly<Record<string, number>>;
  /** By `stage.peer` of stages with several models: the number of its predictions that came too late. */
  readonly late: Readonly<Record<string, number>>;
  /** By `stage.peer` of stages with several models: the mean training loss of the last round. */
  readonly trainingLoss: Readonly<Record<string, number>>;
  /** By stage, the number of samples that were taken out of it, because a step with them was not finite; only stages with such samples. */
  readonly skipped: Readonly<Record<string, number>>;
  /** By the recipe's name of the model, or by `stage NAME` for one that the stage takes from outside. `bytes` is the size of its float32 parameters. */
  readonly models: Readonly<Record<string, { readonly parameters: number; readonly bytes: number; readonly millisecondsPerImage: number }>>;
  /** By role: images through the model of one worker per second of its busy time, in the last term. */
  readonly imagesPerSecond: Readonly<Record<string, number>>;
  /** Bytes on each plane, sent and received by workers, in the last term. */
  readonly wireBytes: { readonly control: number; readonly data: number };
  /** The commits of the whole run, also those that were undone by going back to a checkpoint. */
  readonly commits: number;
  /** Samples in the committed parameters of all stages. */
  readonly samplesCommitted: number;
  /** The number of times that a worker or an engine came back in the last term. */
  readonly restarts: number;
}
