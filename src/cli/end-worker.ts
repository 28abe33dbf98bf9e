/**
 * The end of a worker at once. Its agent is told first, because it kills its engine: an engine whose agent was killed
 * notices that between two batches only, and would outlive the command.
 */

import type { Clock } from '../base/clock.js';
import type { Child } from '../process/child.js';
import type { ParentToWorker } from '../protocol/parent.js';

/** An agent that has not ended after so long is stuck. */
const KILL_MS = 500;

/** Ends agent and engine. The child's `ended` tells when it is so. */
export function endWorkerNow(child: Child<never, ParentToWorker>, clock: Clock): void {
  child.send({ type: 'end', reason: 'everything ends at once' });
  clock.after(KILL_MS, () => child.kill('SIGKILL'), { unref: true });
}
