/**
 * Stands for a process that can be asked to stop, through the compiled stop-request. Its argument is a list of what happens
 * to it: a signal, 'stop', 'end' or 'checkpoint' (it has its parent send that), or milliseconds that pass. Writes what it was asked, as JSON.
 */

import { once } from 'node:events';
import { exitAfterFlush } from '../../../dist/src/process/exit.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';
import { onStopRequest } from '../../../dist/src/process/stop-request.js';

const heard = [];
let nowMs = 0;
const timers = [];
const clock = {
  after(delayMs, call) {
    timers.push({ dueMs: nowMs + delayMs, call });
    return { cancel: () => {} };
  },
};
const link = linkToParent();
onStopRequest(link, {
  clock,
  ask: (reason) => heard.push(`ask ${reason}`),
  offerForce: () => heard.push('offer'),
  force: (signal) => heard.push(`force ${signal}`),
  checkpoint: () => heard.push('checkpoint'),
});
// Keeps the process alive while it waits for a signal.
const alive = setInterval(() => {}, 1000);
for (const event of JSON.parse(process.argv[2])) {
  if (typeof event === 'number') {
    nowMs += event;
    while (timers.length > 0 && timers[0].dueMs <= nowMs) timers.shift().call();
  } else {
    const isMessage = !event.startsWith('SIG');
    const came = once(process, isMessage ? 'message' : event);
    if (isMessage) link.send(event);
    else process.kill(process.pid, event);
    await came;
  }
}
clearInterval(alive);
process.stdout.write(JSON.stringify(heard));
await exitAfterFlush(0);
