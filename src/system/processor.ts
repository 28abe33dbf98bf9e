/** What the system says of this machine's processor. */

import { readFileSync } from 'node:fs';

/** Linux's description of the processor, the text of /proc/cpuinfo; empty where there is none. */
export function describeProcessor(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
