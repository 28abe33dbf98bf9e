/**
 * What an agent and its engine say to each other over the channel between the two processes. The protocol's own
 * messages pass through unchanged; only what is about the engine itself is defined here. Both ends are of one build, so
 * nothing is validated again.
 */

import type { Incarnation, Term } from '../../src/base/ids.js';
import type { EngineName, Placement } from '../../src/config/schema.js';
import type { EngineProgress } from '../kit/meter.js';
import type { EngineOrder, EngineReport } from '../kit/orders.js';

/** The first message to an engine: which life of which worker it is, and what it needs to begin. From the agent. */
export interface EngineConfigure {
  readonly type: 'engine.configure';
  readonly worker: string;
  readonly role: 'teacher' | 'student';
  readonly run: string;
  readonly term: Term;
  readonly incarnation: Incarnation;
  /** The resolved recipe, as JSON. */
  readonly recipe: string;
  /** The coordinator's data plane. */
  readonly dataEndpoint: string;
  /** Null: as the recipe says. */
  readonly engine: EngineName | 'auto' | null;
  /** Where it computes: its process was started for that. */
  readonly placement: Placement;
  /** Where its own data plane listens, `tcp://host:*`. */
  readonly listen: string;
  /** Where it writes its log; null: the standard error. */
  readonly logFile: string | null;
}

/** Agent to engine. There is no message to end: an engine holds nothing worth saving, and is killed. */
export type ToEngine = EngineConfigure | EngineOrder;

/** The engine is about to be loaded: where its native code ends the process, this says whose code. From the engine, first. */
export interface EngineOpening {
  readonly type: 'engine.opening';
  readonly engine: EngineName;
}

/** The engine cannot work on this machine, or not with this recipe: trying again cannot help. From the engine, last. */
export interface EngineUnusable {
  readonly type: 'engine.unusable';
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
}

/** Engine to agent. */
export type FromEngine = EngineReport | EngineOpening | EngineProgress | EngineUnusable;
