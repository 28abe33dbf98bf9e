/** What was found out about an engine on this machine. Owns the type only. */

import type { EngineName } from '../config/schema.js';

/** The result of a probe. */
export interface EngineProbe {
  readonly name: EngineName;
  readonly usable: boolean;
  /** What the engine is; or, when it is not usable, why not and what to do. */
  readonly note: string;
}
