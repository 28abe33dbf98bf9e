/** A child that watches its parent and then does not let its event loop turn for a minute, as a long kernel does. */

import { linkToParent } from '../../../dist/src/process/parent-link.js';
import { watchParent } from '../../../dist/src/process/parent-watch.js';

const BUSY_MS = 60_000;

const link = linkToParent();
watchParent((error) => {
  throw error;
});
link.send({ type: 'ready', pid: process.pid });
await link.sent();
const endMs = performance.now() + BUSY_MS;
while (performance.now() < endMs);
