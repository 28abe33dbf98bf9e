/** Stands for the process that probes engines on a machine where the native code of tensorflow ends it. */

import { linkToParent } from '../../../dist/src/process/parent-link.js';

const link = linkToParent();
for (const name of process.argv.slice(2)) {
  if (name === 'tensorflow') {
    process.kill(process.pid, 'SIGILL');
    await new Promise(() => setInterval(() => {}, 1000));
  }
  link.send({ name, usable: true, note: 'fine' });
}
await link.sent();
process.exit(0);
