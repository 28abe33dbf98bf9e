/**
 * The end of a child whose JavaScript thread is busy when its parent goes: the channel's 'disconnect' (parent-link.ts) is
 * only heard between two turns of the event loop, and one batch through a model may take minutes. A thread that has
 * nothing else to do looks after the parent. The thread loads nothing but its own few lines.
 */

import { Worker } from 'node:worker_threads';

/**
 * From here on this process is killed at once when its present parent is gone, whatever it is doing. Does not keep the
 * process alive. `onError`: the thread does not run, and only the channel tells.
 */
export function watchParent(onError: (error: unknown) => void): void {
  const thread = new Worker(new URL('./parent-watch-thread.js', import.meta.url), { workerData: process.ppid, execArgv: [] });
  thread.on('error', onError);
  thread.unref();
}
