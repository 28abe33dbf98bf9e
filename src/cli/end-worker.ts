/**
 * Ends a worker at once. The agent gets a message first, because it then kills its engine. If the agent were killed
 * directly, its engine could outlive the command for a moment.
 */

import type { Clock } from '../base/clock.js';
import type { Child } from '../process/child.js';
import type { ParentToWorker } from '../protocol/parent.js';

/** An agent that has not ended after this time is killed. */
const KILL_MS = 500;

/** Ends the agent and its engine. The child's `ended` resolves when the agent has ended. */
export function endWorkerNow(child: Pick<Child<never, ParentToWorker>, 'send' | 'kill'>, clock: Clock): void {
  child.send({ type: 'end', reason: 'everything ends at once' });
  clock.after(KILL_MS, () => child.kill('SIGKILL'), { unref: true });
}
