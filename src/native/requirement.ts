/** What an install needs and does not find, with what to do about each. Pure. */

import type { Found } from './toolchain.js';

export interface Findings {
  readonly pip: Found;
  readonly compiler: Found;
  /** The folder that everything goes to. */
  readonly cache: string;
  /** Why the folder cannot be written, or null. */
  readonly cacheFault: string | null;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

const ELSEWHERE = 'or name a folder on another disk by STILLHOUSE_CACHE';

/** A sentence for each thing that is missing; empty when an install can begin. */
export function missingRequirements({ pip, compiler, cache, cacheFault, freeBytes, neededBytes }: Findings): readonly string[] {
  const missing: string[] = [];
  if ('fault' in pip)
    missing.push(`Python with pip: ${pip.fault}. Debian, Ubuntu: apt-get install python3-pip; Fedora: dnf install python3-pip`);
  if ('fault' in compiler) {
    missing.push(`a C++ compiler: ${compiler.fault}. Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; or name one by CXX`);
  }
  if (cacheFault !== null) missing.push(`a folder to write to: ${cache}: ${cacheFault}. Make it writable, ${ELSEWHERE}`);
  else if (freeBytes < neededBytes) {
    missing.push(
      `free space: ${cache} is on a disk with ${megabytes(freeBytes)} MB free, of ${megabytes(neededBytes)} MB. Free some, ${ELSEWHERE}`,
    );
  }
  return missing;
}

function megabytes(bytes: number): string {
  return Math.ceil(bytes / 1e6).toLocaleString('en-US');
}
