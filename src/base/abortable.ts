/** Work that can be called off between two awaits. */

import { setImmediate } from 'node:timers/promises';

/** As `promise`, but rejects with the signal's reason as soon as it is aborted. What the promise then does is dropped. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Lets sockets, timers and the channel to the agent have their turn; throws the signal's reason when it is aborted. */
export async function nextTurn(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
