/** Programs that stand in for a compiler where a test is not about compiling. */

import { writeFileSync } from 'node:fs';

/** Builds small libraries, and not the binding: it says `tfjs_binding.cc:3: error: no`. */
export const REFUSING_COMPILER = `#!/bin/sh
case "$*" in *tfjs_binding.cc*) echo "tfjs_binding.cc:3: error: no" >&2; exit 1;; esac
`;

/** Builds a binding that no process can load. */
export const CARELESS_COMPILER = `#!/bin/sh
case "$*" in *"-o /dev/null") exit 0;; esac
while [ "$1" != -o ]; do shift; done
echo junk > "$2"
`;

/** Writes a program that can be run. Answers its path. */
export function placeProgram(file: string, text: string): string {
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}
