/**
 * A command that a signal ends before it has begun its work says so, in a line. From then on its own handlers answer signals
 * (stop-request.ts).
 */

import { exitNow } from './exit.js';
import { exitCodeOf, onSignal } from './signal.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

let off: (() => void) | null = null;

/** Until {@link endEarlyStop}, SIGINT and SIGTERM end the process after `tell` has told the text: `stopped: SIGINT${ending}`. */
export function tellEarlyStop(ending: string, tell: (text: string) => void): void {
  // Those of the launcher, which does the same until the program is loaded. They go last: without any, Node forgets a signal that has come.
  const before = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  off = onSignal(SIGNALS, (signal) => {
    tell(`stopped: ${signal}${ending}`);
    exitNow(exitCodeOf(signal));
  });
  for (const [signal, listeners] of before) for (const listener of listeners) process.off(signal, listener);
}

/** The work begins. */
export function endEarlyStop(): void {
  off?.();
  off = null;
}
