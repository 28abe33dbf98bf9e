/** Whether a process of this machine that a file names is still there. */

import { existsSync, readFileSync } from 'node:fs';
import { hasCode } from '../errors/stillhouse-error.js';

/**
 * Whether a process with this id runs the compiled entry `module` (its path in dist). Where /proc tells what a process
 * runs, one that is dead but not yet reaped does not count, nor another one that got the id; elsewhere every live process does.
 */
export function isRunning(pid: number, module: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Of another user: there it is.
    if (!hasCode(error, 'EPERM')) return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(module);
  } catch {
    return !existsSync('/proc/self/cmdline');
  }
}
