/** Tries the engine in a process of its own: a processor that lacks instructions ends that process, not this one. */

import { join } from 'node:path';
import { distFolder } from '../process/package-folder.js';
import { runTool, type ToolEnd } from '../process/run-tool.js';
import { INSTALL_ADVICE } from './installed.js';

export interface TrialOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** Lets `engine list` of this program look at the parts in this cache folder. Null when the engine computes, else what is wrong. */
export async function tryEngine(cache: string, { env, signal }: TrialOptions): Promise<string | null> {
  const command = [process.execPath, join(distFolder, 'src/cli/main.js'), 'engine', 'list', '--json'];
  const end = await runTool(command, { env: { ...env, STILLHOUSE_CACHE: cache }, signal });
  signal.throwIfAborted();
  return readTrial(end);
}

/** What a trial's end means. Pure. */
export function readTrial({ code, signal, stdout, stderr }: ToolEnd): string | null {
  if (signal === 'SIGILL') return 'the processor of this machine lacks instructions that libtensorflow is compiled to use (SIGILL)';
  const line = stdout.split('\n').find((text) => text.includes('"tensorflow"'));
  if (line === undefined) {
    const last = stderr.trimEnd().split('\n').at(-1);
    return `the process that tried it ended with ${signal === null ? `exit code ${code}` : `signal ${signal}`}${last ? `: ${last}` : ''}`;
  }
  const { usable, note } = JSON.parse(line) as { readonly usable: boolean; readonly note: string };
  return usable ? null : note.replace(`; ${INSTALL_ADVICE}`, '');
}
