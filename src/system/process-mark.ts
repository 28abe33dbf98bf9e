/** Tells processes of this machine apart, also when a process has the id of an earlier one. */

import { readFileSync } from 'node:fs';
import { hasCode } from '../errors/stillhouse-error.js';

/**
 * The start time of the process with this id, as a string of /proc (clock ticks since the machine started): two processes
 * that had the same id differ in it. Null when the process has ended, also when it is not yet reaped. Without /proc it is
 * 'alive' for every living process.
 */
export function markOf(pid: number): string | null {
  try {
    // The second field, the program's name in parentheses, may hold spaces and parentheses.
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
    // EPERM: the process belongs to another user, so it exists.
    return hasCode(error, 'EPERM');
  }
}
