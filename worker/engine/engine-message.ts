/**
 * The messages between an agent and its engine, over the channel between the two processes. The protocol's own messages
 * pass through unchanged; this file defines only the messages about the engine itself. Both processes are of one build, so
 * messages are not validated again.
 */

import type { Incarnation, Term } from '../../src/base/ids.js';
import type { EngineName, Placement } from '../../src/config/schema.js';
import type { Digests } from '../../src/protocol/control.js';
import type { EngineProgress } from '../kit/meter.js';
import type { EngineOrder, EngineReport } from '../kit/orders.js';

/** From the agent, as the first message: the worker and incarnation that the engine is, and its configuration. */
export interface EngineConfigure {
  readonly type: 'engine.configure';
  readonly worker: string;
  readonly role: 'teacher' | 'student';
  readonly run: string;
  readonly term: Term;
  readonly incarnation: Incarnation;
  /** The resolved recipe, as JSON. */
  readonly recipe: string;
  /** The digests of the coordinator's data and modules. */
  readonly digests: Digests;
  /** The address of the coordinator's data plane. */
  readonly dataEndpoint: string;
  /** The engine to open; null means: as the recipe says. */
  readonly engine: EngineName | 'auto' | null;
  /** The device and threads. The process was started with an environment for them. */
  readonly placement: Placement;
  /** The address on which its own data plane listens, `tcp://host:*`. */
  readonly listen: string;
  /** The absolute path of the data on this machine; null means: as the recipe says. */
  readonly data: string | null;
  /** The most bytes of coded images from the coordinator that this machine keeps. */
  readonly fedBytes: number;
  /** The file to which it writes its log; null means the standard error. */
  readonly logFile: string | null;
}

/** From the agent to the engine. No message ends an engine: it has no state worth saving, so the agent kills it. */
export type ToEngine = EngineConfigure | EngineOrder;

/** From the engine, before it loads a backend. If native code then ends the process, the agent knows whose code it was. */
export interface EngineOpening {
  readonly type: 'engine.opening';
  readonly engine: EngineName;
}

/** From the engine: nothing is at the path of the data, so it takes this split from the coordinator. */
export interface EngineFetching {
  readonly type: 'engine.fetching';
  readonly split: string;
  readonly path: string;
}

/** From the engine, as its last message: it cannot work on this machine or with this recipe, and trying again cannot help. */
export interface EngineUnusable {
  readonly type: 'engine.unusable';
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
}

/** From the engine to the agent. */
export type FromEngine = EngineReport | EngineOpening | EngineFetching | EngineProgress | EngineUnusable;
