/** The entry of the command line. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { EXIT } from '../errors/table.js';
import { surviveClosedPipes } from '../process/closed-pipe.js';
import { tellEarlyStop } from '../process/early-stop.js';
import { exitAfterFlush } from '../process/exit.js';
import { isHangUpIgnored } from '../process/hang-up.js';
import { packageFolder } from '../process/package-folder.js';
import { ignoreSignals } from '../process/signal.js';
import { tellAsJson } from './output.js';
import { runProgram } from './program.js';

/** Commands that check much before they begin. */
const BEGIN_LATER: readonly string[] = ['run', 'resume', 'coordinator', 'worker'];

const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
surviveClosedPipes();
const words = process.argv.slice(2);
const command = words.find((word) => !word.startsWith('-')) ?? '';
tellEarlyStop(BEGIN_LATER.includes(command) ? ', before anything was begun' : '', (message) => {
  if (words.includes('--json')) tellAsJson({ code: 'command.stopped', message });
  process.stderr.write(`${message}\n`);
});
ignoreSignals('SIGUSR1', ...(isHangUpIgnored() ? (['SIGHUP'] as const) : []));
try {
  const code = await runProgram(process.argv.slice(2), { clock: systemClock, exitCode: EXIT.done }, version);
  await exitAfterFlush(code);
} catch (error) {
  process.stderr.write(`an error in Stillhouse itself, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
  await exitAfterFlush(EXIT.failed);
}
