/** The types of the session machine: its events, effects, states and deadlines. session.ts has the machine itself. */

import type { EngineName } from '../../src/config/schema.js';
import type { ChildEnd } from '../../src/process/child.js';
import type { MemorySign } from '../../src/process/engine-end.js';
import type { CoordinatorMessage, CoordinatorMessageOf, WorkerMessage } from '../../src/protocol/control.js';
import type { FromEngine } from '../engine/engine-message.js';
import type { EngineProgress } from '../kit/meter.js';
import type { EngineOrder } from '../kit/orders.js';

/** The facts that do not change during the life of an agent. */
export interface SessionPlan {
  readonly worker: string;
  readonly role: 'teacher' | 'student';
  /** The peer that a student is started for; null for any. */
  readonly peer: string | null;
  readonly host: string;
  readonly pid: number;
  /** Digest of the message schemas of this build. */
  readonly schema: string;
  readonly timing: SessionTiming;
}

export interface SessionTiming {
  /** The interval between the first two hellos. It doubles up to `helloMaxMs`. */
  readonly helloMs: number;
  readonly helloMaxMs: number;
  /** An agent that gets no welcome for this long ends: the coordinator is gone. */
  readonly joinMs: number;
  /** An agent that hears nothing from the coordinator for this number of leases says hello again. */
  readonly silentLeases: number;
  /**
   * The engine's budget, which is the time that it may be silent, before the first batch was measured. The time of a batch
   * is not known then: a batch of 128 through ResNet-56 takes minutes on the engine `cpu`.
   */
  readonly firstBudgetMs: number;
  /** The least budget after the first batch was measured. */
  readonly budgetFloorMs: number;
  /** The budget is this factor times the 95th percentile of the last batches' times, unless the floor is larger. */
  readonly budgetFactor: number;
  /** An agent that asked to leave waits this long for the coordinator's stop; meanwhile a checkpoint may be made. */
  readonly drainMs: number;
  /** The maximum of engines that may be lost because memory ran out: more tries end likewise. */
  readonly memoryLossesMax: number;
  /** The maximum of engines that may be lost in one life of the agent. */
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
  memoryLossesMax: 1,
  lossesMax: 10,
};

export type SessionEvent =
  | { readonly type: 'control'; readonly message: CoordinatorMessage }
  /** `engine` is the number under which the engine was started. */
  | { readonly type: 'engine'; readonly engine: number; readonly message: FromEngine }
  | { readonly type: 'engine-exit'; readonly engine: number; readonly end: ChildEnd; readonly sign?: MemorySign | null }
  /** `controlBytes` were sent and received on the control plane since the agent started. */
  | { readonly type: 'tick'; readonly controlBytes: number }
  /** The user of this worker wants a checkpoint. */
  | { readonly type: 'checkpoint' }
  /** A request to drain. The second one ends the agent at once. */
  | { readonly type: 'stop'; readonly reason: string };

export type SessionEffect =
  | { readonly type: 'send'; readonly message: WorkerMessage }
  | { readonly type: 'start-engine'; readonly engine: number; readonly welcome: CoordinatorMessageOf<'coordinator.welcome'> }
  | { readonly type: 'tell-engine'; readonly engine: number; readonly message: EngineOrder }
  | { readonly type: 'kill-engine'; readonly engine: number }
  /** Deliver a tick at this time. It replaces the earlier wake-up. */
  | { readonly type: 'wake'; readonly atMs: number }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The last effect. `reason` is for a person. */
  | { readonly type: 'exit'; readonly code: number; readonly reason: string };

/** The agent has no welcome yet and sends hellos. */
export interface Joining {
  readonly phase: 'joining';
  /** Without a welcome until this time, the agent ends: the coordinator is gone. */
  readonly untilMs: number;
  readonly nextHelloMs: number;
  readonly helloEveryMs: number;
  /** The reason why the last hello was refused; null when it was not answered. */
  readonly refusal: string | null;
}

/** The agent was welcomed and has an engine. */
export interface Attached {
  readonly phase: 'starting' | 'working' | 'draining';
  readonly welcome: CoordinatorMessageOf<'coordinator.welcome'>;
  /** The number of the engine, from 1; see `engines` of {@link Session}. */
  readonly engine: number;
  /** The engine that the process has loaded or is loading; null before it has named one. */
  readonly engineName: EngineName | null;
  /** The time of the coordinator's last message. */
  readonly heardMs: number;
  /** The time of the engine's last message. */
  readonly engineHeardMs: number;
  readonly nextRenewMs: number;
  readonly progress: Omit<EngineProgress, 'type'>;
  /** The agent's `controlBytes` when this incarnation began. */
  readonly controlBytesBefore: number;
  /** Whether the engine has reported that its memory does not suffice. */
  readonly isOutOfMemory: boolean;
  /** While draining, the time at which the agent ends without an answer; infinite otherwise. */
  readonly drainUntilMs: number;
}

/** The exit effect is out. Further events change nothing. */
export interface Over {
  readonly phase: 'over';
}

export interface Session {
  readonly plan: SessionPlan;
  readonly link: Joining | Attached | Over;
  /** The number of engines started so far. The last one has this number. */
  readonly engines: number;
  /** The number of engines that crashed or were stuck. */
  readonly losses: number;
  /** The number of those that ended because memory ran out. */
  readonly memoryLosses: number;
  /** Bytes sent and received on the control plane since the agent started. */
  readonly controlBytes: number;
}

export interface SessionTransition {
  readonly state: Session;
  readonly effects: readonly SessionEffect[];
}
