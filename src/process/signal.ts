/** Signals of the operating system, for the processes that take part in a graceful stop. */

import { EXIT } from '../errors/table.js';

/** A signal that asks a process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** A signal that Stillhouse handles. SIGUSR1 asks for a checkpoint; without a handler, Node opens a port for a debugger at it. */
export type Signal = StopSignal | 'SIGUSR1';

/** Calls `handler` at each of the signals; the process does not die from them. Returns a function that removes the handler. */
export function onSignal<S extends Signal>(signals: readonly S[], handler: (signal: S) => void): () => void {
  const call = handler as (signal: NodeJS.Signals) => void;
  for (const signal of signals) process.on(signal, call);
  return () => {
    for (const signal of signals) process.off(signal, call);
  };
}

/** The process does not react to these signals any more. */
export function ignoreSignals(...signals: readonly Signal[]): void {
  onSignal(signals, () => {});
}

/** The exit code of a process that a signal has stopped: 128 and the signal's number. Any other reason counts as SIGTERM. */
export function exitCodeOf(reason: string): number {
  if (reason === 'SIGINT') return EXIT.interrupted;
  return reason === 'SIGHUP' ? EXIT.hungUp : EXIT.terminated;
}
