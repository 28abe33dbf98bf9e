/**
 * The thread of parent-watch.ts. When the parent of a process ends, the process gets another parent, and `ppid` changes.
 * A thread can end its process only by a signal.
 */

import { workerData } from 'node:worker_threads';

const LOOK_EVERY_MS = 200;
const parent: unknown = workerData;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, LOOK_EVERY_MS);
