/** Whether the native parts of the engine `tensorflow` are in place. Looks at names only: it loads nothing. */

import { existsSync } from 'node:fs';
import type { NativeLayout } from './layout.js';

/** What a user does about a part that is missing. */
export const INSTALL_ADVICE = 'run `stillhouse engine install tensorflow`';

/** What keeps the native parts from being loaded, in words, or null when they are in place. */
export function findMissingPart({ manifest, binding }: NativeLayout): string | null {
  if (!existsSync(manifest)) return 'libtensorflow is not installed';
  if (!existsSync(binding)) return "tfjs's binding is not compiled";
  return null;
}
