/** Decides whether and when a worker that ended is started again. Pure. */

import { EXIT } from '../errors/table.js';
import type { ChildEnd } from '../process/child.js';

const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 10_000;

export type RestartDecision =
  /** The worker ended in order and is not started again. */
  | { readonly type: 'leave' }
  | { readonly type: 'restart'; readonly delayMs: number }
  /** Another start would fail too, or the worker was started again too often. `why` says which. */
  | { readonly type: 'give-up'; readonly why: string };

/** Decides by the worker's end. `restarts` counts how many times it was started again so far; `restartsMax` is the maximum. */
export function decideRestart(end: ChildEnd, restarts: number, restartsMax: number): RestartDecision {
  if (end.code === EXIT.done) return { type: 'leave' };
  if (end.code === EXIT.usage)
    return { type: 'give-up', why: 'it cannot do its work with these arguments and this recipe, and another start would not change that' };
  if (restarts >= restartsMax)
    return { type: 'give-up', why: `it was started again ${restarts} times already, the maximum (workers.restarts)` };
  return { type: 'restart', delayMs: Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** restarts) };
}
