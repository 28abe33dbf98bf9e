/** How an engine's process ended, in words: the cause, and the user's next action. Pure. */

import type { EngineName } from '../config/schema.js';
import { type ChildEnd, describeEnd } from './child.js';

const MEMORY_SIGNS: Readonly<Record<MemorySign, string>> = {
  killed: 'memory ran out (the kernel killed it)',
  said: 'memory ran out (it said so)',
  limited: 'memory ran out, it seems, as its address space is limited (ulimit -v)',
};

/** The signals by which the operating system or the library itself ends native code, with the cause. */
const NATIVE_FAULTS: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGSEGV: 'its native code used memory that does not belong to it',
  SIGBUS: 'its native code used memory that does not exist',
  SIGFPE: 'its native code divided by zero',
  SIGILL: 'its native code has an instruction that this processor does not have',
  SIGABRT: 'its native code stopped itself; the reason is above or in the standard error',
  SIGTRAP: 'its native code stopped itself; the reason is above or in the standard error',
};

/**
 * A sign that an engine's process ended because memory ran out: the kernel has counted that kill, the engine has said so, or native
 * code has ended where the address space is limited, in which libtensorflow takes a refused allocation for memory.
 */
export type MemorySign = 'killed' | 'said' | 'limited';

/**
 * Describes the end of an engine's process. `engine` is the engine that was loaded or was loading; null when none was chosen yet. `sign`:
 * null when nothing shows that memory ran out.
 */
export function describeEngineEnd(end: ChildEnd, engine: EngineName | null, sign: MemorySign | null = null): string {
  const who = engine === null ? 'the engine' : `the engine ${engine}`;
  const how = `${who} ended: ${describeEnd(end)}`;
  if (sign !== null) {
    return `${how}: ${MEMORY_SIGNS[sign]}: begin a new run with a smaller batch, or use fewer workers or threads on the machine, or a higher limit`;
  }
  if (end.signal === 'SIGKILL') return `${how}: it was killed. If nobody killed it, memory ran out: use fewer workers or a smaller batch`;
  const fault = end.signal === null ? undefined : NATIVE_FAULTS[end.signal];
  if (fault === undefined) return how;
  return `${how}: ${fault}. If it happens again: ${adviceFor(engine)}`;
}

function adviceFor(engine: EngineName | null): string {
  switch (engine) {
    case 'tensorflow':
      return 'install it again (`stillhouse engine remove tensorflow`, then `stillhouse engine install tensorflow`), or train with `workers.engine: wasm`';
    case 'wasm':
      return 'try another version of Node, or train with `workers.engine: cpu`';
    default:
      return 'try another version of Node, or another engine (`workers.engine`)';
  }
}
