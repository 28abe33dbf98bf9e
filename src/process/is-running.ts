/** Whether a process of this machine that a file names still runs. */

import { existsSync, readFileSync } from 'node:fs';
import { hasCode } from '../errors/stillhouse-error.js';

/**
 * Whether a process with this id runs the compiled entry `module` (its path in dist). Where /proc shows a process's
 * command line, the answer is false for a process that is dead but not yet reaped, and for a later one with the same id.
 * Elsewhere it is true for every live process with this id.
 */
export function isRunning(pid: number, module: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process belongs to another user, so it exists.
    if (!hasCode(error, 'EPERM')) return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(module);
  } catch {
    return !existsSync('/proc/self/cmdline');
  }
}
