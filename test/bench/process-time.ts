/** Processor time of other processes, as Linux tells it in /proc. */

import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts a process's time in hundredths of a second wherever Node runs. */
const TICKS_PER_SECOND = 100;

/** Processor seconds that a process has taken; null where the system does not tell, or it is gone. */
export function processorSecondsOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

/** Those of all processes below it that live; 0 where the system does not tell. */
export function childSecondsOf(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + (processorSecondsOf(child) ?? 0) + childSecondsOf(child), 0);
}

function childrenOf(pid: number): number[] {
  try {
    const lists = readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return lists.flatMap((list) => list.split(' ').filter((text) => text.trim() !== '')).map(Number);
  } catch {
    return [];
  }
}
