/**
 * Tries the engine in a process of its own, the same one that `engine list` starts. If the processor lacks instructions,
 * that process ends and not this one.
 */

import { type ChildEnd, describeEnd, startChild } from '../process/child.js';
import { engineEnvironment, NATIVE_GREETING } from '../system/engine-environment.js';
import type { EngineProbe } from '../system/engine-probe.js';
import { describeProcessor } from '../system/processor.js';
import { INSTALL_ADVICE } from './missing-part.js';

const MODULE = 'src/engines/probe/main.js';

export interface TrialOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Ends the trial. */
  readonly signal: AbortSignal;
}

/**
 * Tries the engine with the parts in this cache folder. Answers the reason, in words, when it does not work; otherwise
 * null. Throws the signal's reason.
 */
export async function tryEngine(cache: string, { env, signal }: TrialOptions): Promise<string | null> {
  signal.throwIfAborted();
  const child = startChild<EngineProbe, never>({
    module: MODULE,
    args: ['tensorflow'],
    env: { ...engineEnvironment({ threads: 1, processor: describeProcessor(), inherited: env }), STILLHOUSE_CACHE: cache },
    hideLines: NATIVE_GREETING,
  });
  let probe: EngineProbe | null = null;
  child.onMessage((found) => {
    probe = found;
  });
  const kill = (): void => child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  const end = await child.ended;
  signal.removeEventListener('abort', kill);
  signal.throwIfAborted();
  return readTrial(end, probe);
}

/** Interprets the end of the trial process and its probe; null when it sent none. Answers as {@link tryEngine}. Pure. */
export function readTrial(end: ChildEnd, probe: EngineProbe | null): string | null {
  if (end.signal === 'SIGILL') return 'the processor of this machine lacks instructions that libtensorflow is compiled to use (SIGILL)';
  if (probe === null) return `the process that tried it ended: ${describeEnd(end)}`;
  return probe.usable ? null : probe.note.replace(`; ${INSTALL_ADVICE}`, '');
}
