/** Runs a program of the machine (a compiler, pip) to its end, and keeps what it says. Without a shell: paths may have spaces. */

import { type ChildProcess, spawn } from 'node:child_process';

/** A program that does not end at SIGINT is killed after this. */
const LAST_MS = 3_000;

export interface ToolOptions {
  /** Its whole environment. */
  readonly env: NodeJS.ProcessEnv;
  /** What it reads on the standard input; nothing when left out. */
  readonly input?: string;
  /** Ends it, as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

export interface ToolEnd {
  /** Null when a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `command`, its program first. Never rejects: one that cannot be started ends with neither code nor signal, and says why in `stderr`. */
export function runTool([program = '', ...args]: readonly string[], { env, input, signal }: ToolOptions): Promise<ToolEnd> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    // Who does not read its input closes it: what it makes of that is in how it ends.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const abort = (): void => endSoon(child);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, stdout: '', stderr: error.message });
    });
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', abort);
      resolve({ code, signal: killedBy, ...said });
    });
  });
}

function endSoon(child: ChildProcess): void {
  if (child.killed) return;
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), LAST_MS);
  child.on('exit', () => clearTimeout(timer));
}
