/** Signals of the operating system, for the processes that take part in a graceful stop. */

/** A signal that asks a process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** Calls `handler` at each of the signals; the process does not die from them. Returns a function that removes the handler. */
export function onSignal(signals: readonly StopSignal[], handler: (signal: StopSignal) => void): () => void {
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
