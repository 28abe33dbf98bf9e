/**
 * Processes of this machine that carry a mark in their environment. Children inherit it, and theirs too, so the mark
 * finds whatever a run has started, also after its parent has died. Reads /proc: Linux only.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../../src/errors/stillhouse-error.js';

export interface MarkedProcess {
  readonly pid: number;
  readonly parent: number;
  /** The command line, arguments joined with spaces. */
  readonly command: string;
}

const MARK = 'STILLHOUSE_TEST_RUN';

export const canFindProcesses = existsSync('/proc/self/environ');

/** The variable that marks a process. */
export function markedEnvironment(mark: string): Record<string, string> {
  return { [MARK]: mark };
}

/** Every living process with this mark. Zombies are not alive. */
export function findMarked(mark: string): readonly MarkedProcess[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.flatMap((pid) => {
    const environment = readOf(pid, 'environ').split('\0');
    if (!environment.includes(`${MARK}=${mark}`)) return [];
    const command = readOf(pid, 'cmdline').split('\0').join(' ').trim();
    // "pid (name) state parent ...": the name may hold anything, a bracket too.
    const status = readOf(pid, 'stat');
    const parent = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]);
    return status === '' ? [] : [{ pid, parent, command }];
  });
}

/** For certain; nothing when it is gone by itself meanwhile. */
export function killMarked(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** A file of a process; empty when the process is gone, or another user's. */
function readOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH') || hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return '';
    throw error;
  }
}
