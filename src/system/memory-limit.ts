/** The memory that this process can have: what its limits and its control group allow, and at most what the machine has. */

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** In bytes. */
export function memoryLimit(): number {
  // Node answers 0, or more than any machine has, where there is no limit of a control group.
  const group = process.constrainedMemory();
  return Math.min(totalmem(), group > 0 ? group : Number.POSITIVE_INFINITY, addressSpaceOf(limitsOfProcess()));
}

/** Whether the address space of this process, and of those that it starts, is limited (`ulimit -v`). */
export function isAddressSpaceLimited(): boolean {
  return Number.isFinite(addressSpaceOf(limitsOfProcess()));
}

function limitsOfProcess(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}

/** The limit of the address space (`ulimit -v`) in the text of /proc/PID/limits, in bytes; infinite when there is none. */
export function addressSpaceOf(limits: string): number {
  const soft = /^Max address space\s+(\d+)\s/m.exec(limits)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}
