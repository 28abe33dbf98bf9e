/** Tells processes of this machine apart, also when one has got the id of another that is gone. */

import { readFileSync } from 'node:fs';
import { hasCode } from '../errors/stillhouse-error.js';

/**
 * When the process with this id began, as /proc has it (ticks after the start of the machine): two processes with one
 * id differ in it. Null when it is gone, or dead and not yet reaped. Where there is no /proc, 'alive' for every living process.
 */
export function markOf(pid: number): string | null {
  try {
    // The name of the program, in parentheses, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return process.platform === 'linux' || !isAlive(pid) ? null : 'alive';
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Of another user: there it is.
    return hasCode(error, 'EPERM');
  }
}
