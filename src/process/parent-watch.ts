/**
 * Ends a child whose JavaScript thread is busy when its parent ends. The channel's 'disconnect' (parent-link.ts) arrives
 * only between two turns of the event loop, and one batch through a model may take minutes. So a thread of its own checks
 * every 200 ms whether the parent still runs. The thread loads only its own few lines.
 */

import { Worker } from 'node:worker_threads';

/**
 * From this call on, this process is killed soon after its present parent ends, even in the middle of a computation. The
 * thread does not keep the process alive. `onError` is called when the thread does not run; then only the channel tells
 * that the parent has ended.
 */
export function watchParent(onError: (error: unknown) => void): void {
  const thread = new Worker(new URL('./parent-watch-thread.js', import.meta.url), { workerData: process.ppid, execArgv: [] });
  thread.on('error', onError);
  thread.unref();
}
