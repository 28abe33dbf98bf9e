/** The thread of parent-watch.ts. A process whose parent is gone gets another one; a thread can end its process only by a signal. */

import { workerData } from 'node:worker_threads';

const LOOK_EVERY_MS = 200;
const parent: unknown = workerData;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, LOOK_EVERY_MS);
