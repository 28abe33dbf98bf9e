/** The result of trying an engine on this machine. Owns the type only. */

import type { EngineName } from '../config/schema.js';

export interface EngineProbe {
  readonly name: EngineName;
  readonly usable: boolean;
  /** A description of the engine; when it is not usable, the reason and the user's next action. */
  readonly note: string;
}
