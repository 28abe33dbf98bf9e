/**
 * The interface of an engine: its name, its probe, and how to open it. Each engine has a file that exports one.
 * Invariant: importing an engine's file loads no tfjs backend; calling its functions does.
 */

import type { EngineName } from '../config/schema.js';
import type { EngineProbe } from '../system/engine-probe.js';

/** The memory that an engine keeps its tensors in, where it can be measured. */
export interface EngineMemory {
  /** The most bytes that it can have, as far as is known yet. */
  readonly limitBytes: number;
  /** The part of it that is kept for the engine's own code. */
  readonly reserveBytes: number;
  /** Whether the limit is the engine's own: it would be the same with any memory of the machine. */
  readonly isOwnLimit: boolean;
  /** Runs, and answers the most bytes that were in use meanwhile. Throws what `run` throws. */
  peakOf(run: () => void): number;
}

export interface Engine<Name extends EngineName = EngineName> {
  readonly name: Name;
  /** True: it computes on the number of threads in its process's environment (engine-environment.ts). False: on one thread. */
  readonly isMultithreaded: boolean;
  /** Tries the engine on a small computation. Never throws, and leaves tfjs's current backend as it was. */
  probe(): Promise<EngineProbe>;
  /** Makes the engine tfjs's backend; calling it again changes nothing. Throws when the engine cannot be loaded. */
  open(): Promise<void>;
  /** Its memory, once it is open; left out where it cannot be measured. */
  memory?(): EngineMemory;
}
