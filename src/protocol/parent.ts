/**
 * What a coordinator process and whoever started it say to each other over the IPC channel, and the coordinator's one
 * argument. Only between a parent and its own child: nothing of this crosses the network.
 */

import type { ErrorCode } from '../errors/table.js';
import type { Report, Summary } from './report.js';

/** The coordinator's only argument, as JSON. Either `recipe` or `resume`. */
export interface CoordinatorArguments {
  /** A recipe file, with `set` of the command line ('a.b=c'). */
  readonly recipe?: string;
  readonly set?: readonly string[];
  /** The folder of a run to go on with. */
  readonly resume?: string;
  /** Where the folder of a new run is made; 'runs' when left out. */
  readonly runsFolder?: string;
  /** The control address; port `*`: any. */
  readonly listen: string;
  /** The data address; the host of `listen` and any port when left out. */
  readonly dataListen?: string;
  /** Allows addresses off loopback. */
  readonly insecure: boolean;
}

/** summary.json. */
export interface RunSummary extends Summary {
  readonly durationSeconds: number;
}

export type CoordinatorToParent =
  /** Workers can connect; `run` is the run's folder, absolute. */
  | { readonly type: 'listening'; readonly endpoint: string; readonly run: string }
  | { readonly type: 'report'; readonly report: Report }
  /** The run ended, in whatever way; `file` is summary.json. */
  | { readonly type: 'summary'; readonly file: string; readonly summary: RunSummary }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string };

export type ParentToCoordinator = { readonly type: 'stop'; readonly reason: string };
