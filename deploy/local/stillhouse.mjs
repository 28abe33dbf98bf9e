/** The command `stillhouse`, as the launcher beside it starts it: sets this checkout up when that is needed, then runs the compiled command line. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterSetUp, packageFolder } from './setup.mjs';

// Node opens a port for a debugger at this signal, until the program has its own handler.
process.on('SIGUSR1', () => {});
if (process.env.STILLHOUSE_HANG_UP === 'ignored') process.on('SIGHUP', () => {});

// The program has its own handlers (src/process/early-stop.ts). Until it is loaded, it would be gone without a word.
sayStopped('SIGINT', 130);
sayStopped('SIGTERM', 143);

await afterSetUp(() => import(pathToFileURL(join(packageFolder, 'dist/src/cli/main.js')).href));

function sayStopped(signal, code) {
  process.on(signal, () => {
    process.stderr.write(`stopped: ${signal}, before anything was begun\n`);
    process.exit(code);
  });
}
