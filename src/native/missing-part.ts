/** Whether the native parts of the engine `tensorflow` are in place. It looks at names only and loads nothing. */

import { existsSync } from 'node:fs';
import type { NativeLayout } from './layout.js';

/** The user's next action when a part is missing. */
export const INSTALL_ADVICE = 'run `stillhouse engine install tensorflow`';

/** Names the part that is missing, in words; null when all parts are in place. */
export function findMissingPart({ manifest, binding }: NativeLayout): string | null {
  if (!existsSync(manifest)) return 'libtensorflow is not installed';
  if (!existsSync(binding)) return "tfjs's binding is not compiled";
  return null;
}
