/** How an engine's process ended, in words: what that means for its user, and what to do about it. Pure. */

import type { EngineName } from '../config/schema.js';
import { type ChildEnd, describeEnd } from './child.js';

/** What the kernel, or the library itself, ends native code with. */
const NATIVE_FAULTS: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGSEGV: 'its native code touched memory that is not its own',
  SIGBUS: 'its native code touched memory that is not there',
  SIGFPE: 'its native code divided by zero',
  SIGILL: 'its native code holds an instruction that this processor does not have',
  SIGABRT: 'its native code gave up, and says why above or in the standard error',
  SIGTRAP: 'its native code gave up, and says why above or in the standard error',
};

/** `engine`: what was loaded or being loaded; null when the process ended before. */
export function describeEngineEnd(end: ChildEnd, engine: EngineName | null): string {
  const who = engine === null ? 'the engine' : `the engine ${engine}`;
  const how = `${who} ended: ${describeEnd(end)}`;
  if (end.signal === 'SIGKILL')
    return `${how}: it was killed; where nobody did that, memory ran out: fewer workers or a smaller batch need less`;
  const fault = end.signal === null ? undefined : NATIVE_FAULTS[end.signal];
  if (fault === undefined) return how;
  return `${how}: ${fault}. If it happens again: ${adviceFor(engine)}`;
}

function adviceFor(engine: EngineName | null): string {
  switch (engine) {
    case 'tensorflow':
      return 'install it anew (`stillhouse engine remove tensorflow`, then `stillhouse engine install tensorflow`), or train with `workers.engine: wasm`';
    case 'wasm':
      return 'try another version of Node, or train with `workers.engine: cpu`';
    default:
      return 'try another version of Node, or another engine (`workers.engine`)';
  }
}
