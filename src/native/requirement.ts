/** The missing requirements of an install, each with the user's next action. Pure. */

import type { Found } from './toolchain.js';

export interface Findings {
  readonly pip: Found;
  readonly compiler: Found;
  /** The folder to which all parts go. */
  readonly cache: string;
  /** The reason why the folder cannot be written, or null. */
  readonly cacheFault: string | null;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

const ELSEWHERE = 'or set STILLHOUSE_CACHE to a folder on another disk';

/** A sentence for each missing requirement; empty when an install can begin. */
export function missingRequirements({ pip, compiler, cache, cacheFault, freeBytes, neededBytes }: Findings): readonly string[] {
  const missing: string[] = [];
  if ('fault' in pip)
    missing.push(`Python with pip: ${pip.fault}. Debian, Ubuntu: apt-get install python3-pip; Fedora: dnf install python3-pip`);
  if ('fault' in compiler) {
    missing.push(`a C++ compiler: ${compiler.fault}. Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; or set CXX to one`);
  }
  if (cacheFault !== null) missing.push(`a folder to write to: ${cache}: ${cacheFault}. Make it writable, ${ELSEWHERE}`);
  else if (freeBytes < neededBytes) {
    missing.push(
      `free space: ${cache} needs ${megabytes(neededBytes)} MB, and its disk has ${megabytes(freeBytes)} MB free. Free some, ${ELSEWHERE}`,
    );
  }
  return missing;
}

function megabytes(bytes: number): string {
  return Math.ceil(bytes / 1e6).toLocaleString('en-US');
}
