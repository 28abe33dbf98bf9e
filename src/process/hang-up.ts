/**
 * Whether the user has asked that the end of the terminal ends nothing (`nohup`). A process is started with SIGHUP ignored then, but Node
 * sets every ignored signal back before its first line of JavaScript. So the launcher (deploy/local/stillhouse) passes it on in the
 * environment. Where another Node program (npx) has started the launcher, only the trace that `nohup` leaves in the standard input is left.
 */

import { readFileSync, readlinkSync } from 'node:fs';

/** The launcher sets this variable to `ignored`. */
const VARIABLE = 'STILLHOUSE_HANG_UP';
/** The two bits of an open file's flags that say how it may be accessed, and their value where it can only be written. */
const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/** Whether this process was started with SIGHUP ignored. */
export function isHangUpIgnored(): boolean {
  return process.env[VARIABLE] === 'ignored' || isInputOfNohup();
}

/** Where the standard input is a terminal, nohup puts in its place /dev/null, opened to be written: nobody else does that. */
function isInputOfNohup(): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))?.[1] ?? '0';
    return readlinkSync('/proc/self/fd/0') === '/dev/null' && (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY;
  } catch {
    // There is no /proc, or no standard input.
    return false;
  }
}
