/** The warnings about a recipe that can be run, on the screen or as JSON lines. */

import type { Output } from './output.js';

/** Tells each of them. */
export function tellWarnings(warnings: readonly string[], output: Output): void {
  for (const message of warnings) {
    if (output.json) output.result(JSON.stringify({ type: 'warning', message }));
    else output.alert(`warning: ${message}`);
  }
}
