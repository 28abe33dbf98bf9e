/**
 * The messages between a coordinator or worker process and its parent over the IPC channel, and the one argument of
 * each process. They pass only between a parent and its own child: none of them crosses the network.
 */

import type { EngineName, Placement } from '../config/schema.js';
import type { ErrorCode } from '../errors/table.js';
import type { ModelStructure } from '../tensor/model-structure.js';
import type { Report, Summary } from './report.js';
import type { GivenTraining } from './training-split.js';

/** The accuracy on a split that guessing reaches. */
export interface Guess {
  /** The share of the most frequent class: the accuracy of saying that class every time. */
  readonly share: number;
  /** An accuracy up to this is one of guessing, and of luck. */
  readonly most: number;
}

/** The coordinator's only argument, as JSON. It has either `recipe` or `resume`. */
export interface CoordinatorArguments {
  /** A recipe file; `set` of the command line ('a.b=c') overrides its values, or those of the run to go on with. */
  readonly recipe?: string | undefined;
  readonly set?: readonly string[] | undefined;
  /** A folder with a checkpoint of each model from outside that the recipe takes, made for this run (src/recipe/given-model.ts). */
  readonly given?: string | undefined;
  /** The folder of a run to go on with. */
  readonly resume?: string | undefined;
  /** The folder in which the folder of a new run is made; 'runs' when left out. */
  readonly runsFolder?: string | undefined;
  /** The structure of each model of the recipe; left out by a caller that has built none. */
  readonly structures?: Readonly<Record<string, ModelStructure>> | undefined;
  /** The facts that are known of the images that its models from outside were trained on; left out by a caller that has not looked. */
  readonly training?: GivenTraining | undefined;
  /** The control address; port `*` means any port. */
  readonly listen: string;
  /** The data address; when left out, the host of `listen` and any port. */
  readonly dataListen?: string | undefined;
  /** Allows addresses that are not loopback. */
  readonly insecure: boolean;
  /** By split: a model whose last accuracy on it is one of guessing does not teach, unless `force` says so. */
  readonly guesses?: Readonly<Record<string, Guess>> | undefined;
  readonly force?: boolean | undefined;
  /** The most bytes of data a second for workers that have no files of it; as many as can be read when left out. */
  readonly feedRate?: number | undefined;
}

/** The content of summary.json. */
export interface RunSummary extends Summary {
  /** The time of all terms together. A term that was killed counts up to its last report. */
  readonly durationSeconds: number;
}

export type CoordinatorToParent =
  /** Workers can connect; `run` is the absolute path of the run's folder. */
  | { readonly type: 'listening'; readonly endpoint: string; readonly run: string }
  | { readonly type: 'report'; readonly report: Report }
  /** The run has ended, with any outcome; `file` is summary.json. */
  | { readonly type: 'summary'; readonly file: string; readonly summary: RunSummary }
  /** `mend`: in words, the mend that the run needs before it can go on; null where it goes on as it is, or never. */
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string; readonly mend: string | null };

export type ParentToCoordinator =
  /** Asks for a stop with a checkpoint. A second one changes nothing: a parent that cannot wait kills the process. */
  | { readonly type: 'stop'; readonly reason: string }
  /** Asks for a checkpoint; the run goes on. */
  | { readonly type: 'checkpoint' };

/** The worker agent's only argument, as JSON. */
export interface WorkerArguments {
  readonly role: 'teacher' | 'student';
  /** The coordinator's control address. */
  readonly coordinator: string;
  /** The worker's name, unique in the run. */
  readonly name: string;
  /** The peer that a student is to train, in stages that have one of this name; any when left out. */
  readonly peer?: string;
  /** The engine; the recipe's when left out. */
  readonly engine?: EngineName | 'auto';
  /** The processor cores; all cores of the machine when left out. */
  readonly placement?: Placement;
  /** The host where its engine listens for data; 127.0.0.1 when left out. */
  readonly listenHost?: string;
  /** The absolute path of the data on this machine; the recipe's `data.path` when left out. */
  readonly data?: string;
  /** The most bytes of coded images from the coordinator that this machine keeps; 20 GiB when left out. */
  readonly fedBytes?: number;
  /** Allows addresses that are not loopback. */
  readonly insecure: boolean;
  /** The file of its log; the standard error when left out. */
  readonly logFile?: string;
}

/** A line for a person, from a worker that was started by hand; the parent adds its name. */
export type WorkerToParent = { readonly type: 'line'; readonly text: string };

export type ParentToWorker =
  /** Drain: finish the work that the round needs, then leave. A second one changes nothing. */
  | { readonly type: 'stop'; readonly reason: string }
  /** Kill the engine and leave. */
  | { readonly type: 'end'; readonly reason: string }
  /** Ask the coordinator for a checkpoint, and go on. */
  | { readonly type: 'checkpoint' };
