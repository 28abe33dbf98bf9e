/** Work that an abort signal can end between two awaits. */

import { setImmediate } from 'node:timers/promises';

/** Settles as `promise` does, or rejects with the signal's reason as soon as it is aborted; then the promise's own result is dropped. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Waits for one turn of the event loop, so that sockets, timers and channels are served. Throws the signal's reason when it is aborted. */
export async function nextTurn(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
