/** A child for the tests of src/process: does what the message says, through the compiled parent link. */

import { exitAfterFlush } from '../../../dist/src/process/exit.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const link = linkToParent();
if (link === null) {
  process.stdout.write('no parent\n');
} else {
  link.onMessage((message) => {
    if (message.type === 'echo') link.send({ type: 'echo', value: message.value });
    if (message.type === 'args') link.send({ type: 'args', args: process.argv.slice(2), env: process.env.STILLHOUSE_TEST ?? null });
    if (message.type === 'interrupt') {
      process.kill(process.pid, 'SIGINT');
      setImmediate(() => link.send({ type: 'alive' }));
    }
    if (message.type === 'flood') {
      for (let i = 0; i < message.count; i++) link.send({ type: 'flood', i, ballast: new Uint8Array(64 * 1024) });
      void link.sent().then(() => exitAfterFlush(0));
    }
    if (message.type === 'exit') void exitAfterFlush(message.code);
  });
  link.send({ type: 'ready', pid: process.pid });
}
