/** Renames operations so that TensorFlow can merge them: it merges only operations that have the names that it looks for. */

import { nameBiasAdds } from './bias-add.js';
import type { Recording } from './recording.js';
import { nameZeroPaddings } from './zero-padding.js';

/** The same computation by operations that TensorFlow merges. Their number and their places do not change. */
export function nameForFusion(recording: Recording): Recording {
  return nameZeroPaddings(nameBiasAdds(recording));
}
