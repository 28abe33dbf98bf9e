/** Names by which TensorFlow merges operations: it does so only where they have the names that it looks for. */

import { nameBiasAdds } from './bias-add.js';
import type { Recording } from './recording.js';
import { nameZeroPaddings } from './zero-padding.js';

/** The same numbers by operations that TensorFlow merges; as many of them, each in its place. */
export function nameForFusion(recording: Recording): Recording {
  return nameZeroPaddings(nameBiasAdds(recording));
}
