/** The operating system's description of this machine's processor. */

import { readFileSync } from 'node:fs';

/** The text of /proc/cpuinfo, Linux's description of the processor; empty where there is no such file. */
export function describeProcessor(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
