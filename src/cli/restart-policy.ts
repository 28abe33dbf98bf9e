/** When a worker that ended is started again. Pure. */

import { EXIT } from '../errors/table.js';
import type { ChildEnd } from '../process/child.js';

const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 10_000;

export type RestartDecision =
  /** It ended as it should. */
  | { readonly type: 'leave' }
  | { readonly type: 'restart'; readonly delayMs: number }
  /** It will not do better next time, or has had its chances. */
  | { readonly type: 'give-up'; readonly why: string };

/** `restarts`: how often this worker was started again so far, of at most `restartsMax`. */
export function decideRestart(end: ChildEnd, restarts: number, restartsMax: number): RestartDecision {
  if (end.code === EXIT.done) return { type: 'leave' };
  if (end.code === EXIT.usage) return { type: 'give-up', why: 'it cannot work as it was told to' };
  if (restarts >= restartsMax) return { type: 'give-up', why: `it was started again ${restarts} times already` };
  return { type: 'restart', delayMs: Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** restarts) };
}
