/**
 * What a coordinator or worker process and whoever started it say to each other over the IPC channel, and the one
 * argument of each. Only between a parent and its own child: nothing of this crosses the network.
 */

import type { EngineName, Placement } from '../config/schema.js';
import type { ErrorCode } from '../errors/table.js';
import type { Report, Summary } from './report.js';

/** The coordinator's only argument, as JSON. Either `recipe` or `resume`. */
export interface CoordinatorArguments {
  /** A recipe file, with `set` of the command line ('a.b=c'). */
  readonly recipe?: string | undefined;
  readonly set?: readonly string[] | undefined;
  /** The folder of a run to go on with. */
  readonly resume?: string | undefined;
  /** Where the folder of a new run is made; 'runs' when left out. */
  readonly runsFolder?: string | undefined;
  /** The control address; port `*`: any. */
  readonly listen: string;
  /** The data address; the host of `listen` and any port when left out. */
  readonly dataListen?: string | undefined;
  /** Allows addresses off loopback. */
  readonly insecure: boolean;
}

/** summary.json. */
export interface RunSummary extends Summary {
  /** Of all terms together. One that was killed counts up to its last report. */
  readonly durationSeconds: number;
}

export type CoordinatorToParent =
  /** Workers can connect; `run` is the run's folder, absolute. */
  | { readonly type: 'listening'; readonly endpoint: string; readonly run: string }
  | { readonly type: 'report'; readonly report: Report }
  /** The run ended, in whatever way; `file` is summary.json. */
  | { readonly type: 'summary'; readonly file: string; readonly summary: RunSummary }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string };

/** Stop with a checkpoint. Later ones change nothing: a parent in a hurry kills. */
export type ParentToCoordinator = { readonly type: 'stop'; readonly reason: string };

/** The worker agent's only argument, as JSON. */
export interface WorkerArguments {
  readonly role: 'teacher' | 'student';
  /** The coordinator's control address. */
  readonly coordinator: string;
  /** Unique in the run. */
  readonly name: string;
  /** What the recipe says when left out. */
  readonly engine?: EngineName | 'auto';
  /** All cores of the machine when left out. */
  readonly placement?: Placement;
  /** Where its engine listens for data; 127.0.0.1 when left out. */
  readonly listenHost?: string;
  /** Allows addresses off loopback. */
  readonly insecure: boolean;
  /** Where its log goes; to the standard error when left out. */
  readonly logFile?: string;
}

export type ParentToWorker =
  /** Drain: finish what the round needs, then leave. Later ones change nothing. */
  | { readonly type: 'stop'; readonly reason: string }
  /** Kill the engine and leave. */
  | { readonly type: 'end'; readonly reason: string };
