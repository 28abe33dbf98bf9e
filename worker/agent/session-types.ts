/** What goes into the session machine and what comes out of it. session.ts has the machine and its states. */

import type { EngineName } from '../../src/config/schema.js';
import type { ChildEnd } from '../../src/process/child.js';
import type { CoordinatorMessage, CoordinatorMessageOf, WorkerMessage } from '../../src/protocol/control.js';
import type { FromEngine } from '../engine/messages.js';
import type { EngineProgress } from '../kit/meter.js';
import type { EngineOrder } from '../kit/orders.js';

/** What does not change during the life of an agent. */
export interface SessionPlan {
  readonly worker: string;
  readonly role: 'teacher' | 'student';
  readonly host: string;
  readonly pid: number;
  /** Digest of the message schemas of this build. */
  readonly schema: string;
  readonly timing: SessionTiming;
}

export interface SessionTiming {
  /** Between the first two hellos; doubles up to `helloMaxMs`. */
  readonly helloMs: number;
  readonly helloMaxMs: number;
  /** Not welcomed for so long: the coordinator is gone. */
  readonly joinMs: number;
  /** Nothing heard from the coordinator for so many leases: say hello again. */
  readonly silentLeases: number;
  /**
   * The most that an engine may be silent before a batch of its model was measured, when nothing is known of how long
   * one takes (one of 128 through ResNet-56 on the `cpu` engine takes minutes), and the least afterwards.
   */
  readonly firstBudgetMs: number;
  readonly budgetFloorMs: number;
  /** A batch may take so many times the 95th percentile of the last ones. */
  readonly budgetFactor: number;
  /** After asking to leave, so long for the coordinator to have its checkpoint and say stop. */
  readonly drainMs: number;
  /** Engines lost in one life of the agent. */
  readonly lossesMax: number;
}

export const DEFAULT_SESSION_TIMING: SessionTiming = {
  helloMs: 200,
  helloMaxMs: 2_000,
  joinMs: 60_000,
  silentLeases: 4,
  firstBudgetMs: 600_000,
  budgetFloorMs: 20_000,
  budgetFactor: 20,
  drainMs: 9_000,
  lossesMax: 10,
};

export type SessionEvent =
  | { readonly type: 'control'; readonly message: CoordinatorMessage }
  /** `engine` is the number under which the engine was started. */
  | { readonly type: 'engine'; readonly engine: number; readonly message: FromEngine }
  | { readonly type: 'engine-exit'; readonly engine: number; readonly end: ChildEnd }
  /** `controlBytes`: sent and received on the control plane since the agent started. */
  | { readonly type: 'tick'; readonly controlBytes: number }
  /** A drain; the second one ends at once. */
  | { readonly type: 'stop'; readonly reason: string };

export type SessionEffect =
  | { readonly type: 'send'; readonly message: WorkerMessage }
  | { readonly type: 'start-engine'; readonly engine: number; readonly welcome: CoordinatorMessageOf<'coordinator.welcome'> }
  | { readonly type: 'tell-engine'; readonly engine: number; readonly message: EngineOrder }
  | { readonly type: 'kill-engine'; readonly engine: number }
  /** Deliver a tick at this time. Replaces the wake-up that was set before. */
  | { readonly type: 'wake'; readonly atMs: number }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The last effect. `reason` is for a person. */
  | { readonly type: 'exit'; readonly code: number; readonly reason: string };

/** Not welcomed: saying hello. */
export interface Joining {
  readonly phase: 'joining';
  /** The coordinator is gone when there is no welcome by then. */
  readonly untilMs: number;
  readonly nextHelloMs: number;
  readonly helloEveryMs: number;
  /** Why the last hello was refused; null when it was not answered. */
  readonly refusal: string | null;
}

/** Welcomed, with an engine. */
export interface Attached {
  readonly phase: 'starting' | 'working' | 'draining';
  readonly welcome: CoordinatorMessageOf<'coordinator.welcome'>;
  readonly engine: number;
  /** What it has loaded, or is loading; null before it said so. */
  readonly engineName: EngineName | null;
  /** When the coordinator was heard last, and the engine. */
  readonly heardMs: number;
  readonly engineHeardMs: number;
  readonly nextRenewMs: number;
  readonly progress: Omit<EngineProgress, 'type'>;
  /** Of the agent, when this incarnation began. */
  readonly controlBytesBefore: number;
  /** Draining: when to end without an answer. Else never. */
  readonly drainUntilMs: number;
}

/** The exit code is said; nothing happens any more. */
export interface Over {
  readonly phase: 'over';
}

export interface Session {
  readonly plan: SessionPlan;
  readonly link: Joining | Attached | Over;
  /** Engines started so far: the number of the last. */
  readonly engines: number;
  /** Engines that crashed or hung. */
  readonly losses: number;
  readonly controlBytes: number;
}

export interface SessionTransition {
  readonly state: Session;
  readonly effects: readonly SessionEffect[];
}
