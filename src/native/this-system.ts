/** The properties of this machine that decide which wheel fits. */

import { describeProcessor } from '../system/processor.js';
import type { System } from './wheel.js';

/** Reads the properties of this machine that decide which wheel fits. */
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
