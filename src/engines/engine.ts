/**
 * What every engine is to the catalogue: a name, a probe and a way to open it. One file per engine has this shape.
 * Invariant: importing an engine's file loads no tfjs backend; its functions do.
 */

import type { EngineName } from '../config/schema.js';
import type { EngineProbe } from '../system/engine-probe.js';

export interface Engine<Name extends EngineName = EngineName> {
  readonly name: Name;
  /** Whether it computes on as many threads as its process's environment says (engine-environment.ts); else on one. */
  readonly isMultithreaded: boolean;
  /** Tries the engine on a small computation. Never throws, and leaves tfjs's current backend as it was. */
  probe(): Promise<EngineProbe>;
  /** Makes the engine tfjs's backend; calling it again changes nothing. Throws when the engine cannot be loaded. */
  open(): Promise<void>;
}
