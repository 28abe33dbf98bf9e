/** What kind of machine this is. */

import { readFileSync } from 'node:fs';
import type { System } from './wheel.js';

/** This machine, as far as a wheel depends on it. */
export function thisSystem(): System {
  const { header } = process.report.getReport() as unknown as { readonly header: { readonly glibcVersionRuntime?: string } };
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header.glibcVersionRuntime ?? null,
    instructions: readInstructions(),
  };
}

function readInstructions(): ReadonlySet<string> | null {
  const flags = /^flags\s*:(.*)$/m.exec(describeProcessor())?.[1];
  return flags === undefined ? null : new Set(flags.trim().split(/\s+/));
}

/** Linux's description of the processor, the text of /proc/cpuinfo; empty where there is none. */
export function describeProcessor(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
